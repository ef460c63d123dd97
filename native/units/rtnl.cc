// SPDX-License-Identifier: Apache-2.0
#include "rtnl/address.cc"
#include "rtnl/attribute.cc"
#include "rtnl/kinds.cc"
#include "rtnl/link.cc"
#include "rtnl/link_row.cc"
#include "rtnl/neighbour.cc"
#include "rtnl/route.cc"

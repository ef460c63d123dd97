// SPDX-License-Identifier: Apache-2.0
#include "cni/daemon.cc"
#include "cni/delegate.cc"
#include "cni/failure.cc"
#include "cni/io.cc"
#include "cni/main.cc"
#include "cni/program.cc"
#include "cni/request.cc"

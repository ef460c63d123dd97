// SPDX-License-Identifier: Apache-2.0
#include "sys/errno_name.cc"
#include "sys/json.cc"
#include "sys/netns.cc"
#include "sys/process.cc"
#include "sys/sysctl.cc"
#include "sys/tap.cc"
#include "sys/unix_socket.cc"

// SPDX-License-Identifier: Apache-2.0
#include "nl/batch.cc"
#include "nl/dump.cc"
#include "nl/message.cc"
#include "nl/socket.cc"

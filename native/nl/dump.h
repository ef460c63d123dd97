// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>

#include "nl/message.h"
#include "nl/socket.h"
#include "sys/result.h"

namespace snnet::nl {

// Asks for a dump and hands each message to `on_row`. A dump that the kernel says was interrupted
// by a change is asked for again, after `on_restart`; if it stays interrupted the result is EINTR.
// Half a list is never taken for the whole.
sys::Status Dump(Socket& socket, const std::function<Message()>& request,
                 const std::function<void()>& on_restart,
                 const std::function<void(nlmsghdr*)>& on_row);

// One dump, interrupted or not: each row was true, but what is not among them may be there too.
sys::Status DumpOnce(Socket& socket, Message message, const std::function<void(nlmsghdr*)>& on_row);

}  // namespace snnet::nl

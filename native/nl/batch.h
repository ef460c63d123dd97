// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "nl/message.h"
#include "nl/socket.h"
#include "sys/result.h"

namespace snnet::nl {

// Room for the answers when each of the messages that one send takes is refused; a socket that
// sends batches should have it (Socket::SetReceiveBuffer), or answers are lost.
constexpr int kReceiveBuffer = 4 << 20;

// Room for what the kernel announces while nobody reads: some 20,000 notifications of 1.5 KiB and
// more; memory is used only as they queue up.
constexpr int kAnnouncementBuffer = 32 << 20;

// What an NLMSG_ERROR or NLMSG_DONE says: 0, or the number of an error; EBADMSG where it is too
// short to say anything, or says what is none.
int ReadCode(const nlmsghdr* header);

// What an NLMSG_ERROR says, with the kernel's own words where it gives any.
sys::Error ReadError(nlmsghdr* header, const std::string& request);

// What became of one message of a batch; nothing means that the kernel did it.
using Ack = std::optional<sys::Error>;

// Sends the messages with one sendmsg (more only where they exceed what one may carry), asks for an
// acknowledgement of the last only (errors are always reported), and returns one Ack for each.
//
// The kernel runs every message, also those after one that failed. Where it refuses to take a part,
// each message from there on carries that error and was not run. The Result's own error means that
// answers were lost: then what was done is unknown. `on_reply` sees every message that is no
// acknowledgement.
sys::Result<std::vector<Ack>> SendBatch(
    Socket& socket, std::vector<Message>& messages,
    const std::function<void(size_t index, nlmsghdr*)>& on_reply = {});

}  // namespace snnet::nl

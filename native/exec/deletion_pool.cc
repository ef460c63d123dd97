// SPDX-License-Identifier: Apache-2.0
#include "exec/deletion_pool.h"

#include <linux/netlink.h>

#include <algorithm>
#include <random>
#include <unordered_map>

#include "exec/worker.h"
#include "nl/batch.h"
#include "nl/dump.h"
#include "rtnl/link_row.h"

namespace snnet::exec {
namespace {

// The answers to a look-up must fit the receive buffer, or the last is lost: the kernel accounts
// more than 6 KiB for each.
constexpr size_t kLookUpsAtOnce = 8;
// Looking is free: an answer that got lost is asked for again.
constexpr int kLookUpAttempts = 3;
// From so many on, where they are at least a sixth of all links, they are read in one dump. Asked
// for by itself, a link that is new has its carrier settled first (net/core/rtnetlink.c,
// rtnl_getlink, Linux 6.8 and later), which takes ten times as long as telling of it.
constexpr size_t kDumpFrom = 32;
constexpr size_t kDumpShare = 6;
constexpr auto kQuiet = std::chrono::milliseconds(3);
constexpr auto kLongestWait = std::chrono::milliseconds(50);

uint32_t RandomGroup() {
  thread_local std::mt19937 generator{std::random_device{}()};
  // 0 is everybody's group, and people number theirs from 1.
  return std::uniform_int_distribution<uint32_t>(1 << 20, 0xffffffff)(generator);
}

size_t LinksOf(const DeletionJob& job) { return job.what.links.size() + job.what.retire.size(); }

// A link just made, or one of the Go original's remnants, may not have its alias yet.
bool IsStillOurs(const DoomedLink& link, const rtnl::LinkRow& row) {
  return row.alias.empty() ? row.ifname == link.ifname : row.alias == link.alias;
}

sys::Error NotOurs(const DoomedLink& link, const rtnl::LinkRow& row) {
  return {ESTALE, "ip link delete " + link.ifname,
          "index " + std::to_string(link.ifindex) + " is now " + row.ifname + " with alias \"" +
              row.alias + "\""};
}

// What one look-up found.
struct Sighting {
  std::optional<rtnl::LinkRow> row;
  std::optional<sys::Error> failure;  // other than "no such link"
};
using Sightings = std::unordered_map<uint32_t, Sighting>;

void LookUp(nl::Socket& socket, const std::vector<uint32_t>& indexes, Sightings& sightings) {
  for (size_t first = 0; first < indexes.size(); first += kLookUpsAtOnce) {
    const size_t count = std::min(kLookUpsAtOnce, indexes.size() - first);
    std::vector<nl::Message> messages;
    for (size_t i = 0; i < count; ++i) messages.push_back(rtnl::GetLink(indexes[first + i]));
    const auto on_reply = [&](size_t i, nlmsghdr* header) {
      sightings[indexes[first + i]].row = rtnl::ReadLink(header);
    };
    auto acks = nl::SendBatch(socket, messages, on_reply);
    for (int attempt = 1; !acks && attempt < kLookUpAttempts; ++attempt) {
      acks = nl::SendBatch(socket, messages, on_reply);
    }
    for (size_t i = 0; i < count; ++i) {
      Sighting& sighting = sightings[indexes[first + i]];
      const nl::Ack ack = acks ? (*acks)[i] : nl::Ack(acks.error());
      if (ack && ack->code != ENODEV) sighting.failure = ack;
    }
  }
}

// Sees what it can in one dump, even in one that fails half-way; gives the number of all links.
size_t LookAround(nl::Socket& socket, Sightings& sightings) {
  size_t links = 0;
  const auto on_row = [&](nlmsghdr* header) {
    ++links;
    const auto wanted = sightings.find(rtnl::ReadLinkIndex(header));
    if (wanted != sightings.end()) wanted->second.row = rtnl::ReadLink(header);
  };
  static_cast<void>(nl::DumpOnce(socket, rtnl::DumpLinks(), on_row));
  return links;
}

// A link that is there and ours, with the group to put it back into if it cannot be deleted.
struct PresentLink {
  uint32_t ifindex = 0;
  uint32_t group = 0;
};

void Regroup(std::vector<nl::Message>& messages, uint32_t ifindex, uint32_t group) {
  rtnl::LinkAttributes attributes;
  attributes.group = group;
  messages.push_back(rtnl::ChangeLink(ifindex, attributes));
}

void Retire(std::vector<nl::Message>& messages, const RetiredBridge& bridge) {
  // Down first: before Linux 6.2 a link that is up keeps its name.
  rtnl::LinkAttributes down;
  down.up = false;
  messages.push_back(rtnl::ChangeLink(bridge.link.ifindex, down));
  rtnl::LinkAttributes trash;
  trash.ifname = bridge.trash_name;
  trash.alias = kTrashAlias;
  messages.push_back(rtnl::ChangeLink(bridge.link.ifindex, trash));
}

// A link that somebody else deleted meanwhile is what we wanted.
bool IsFailure(const nl::Ack& ack) { return ack && ack->code != ENODEV; }

}  // namespace

// A job on its way through one commit.
struct DeletionPool::Member {
  DeletionJob job;
  std::shared_ptr<DeathWatch::Waiter> waiter;
  std::vector<PresentLink> present;
  std::vector<const RetiredBridge*> retiring;
};

bool DeletionPool::IsOneLink(const Commit& commit) {
  return commit.size() == 1 && commit.front().present.size() == 1 &&
         commit.front().retiring.empty();
}

sys::Status DeletionPool::Submit(DeletionJob job, Start start) {
  const std::lock_guard lock(mutex_);
  if (stopping_) return sys::Error{ECANCELED, "ip link delete"};
  const bool is_needed = start == Start::kIfNeeded && idle_ == 0;
  if (is_needed && threads_.size() < options_.max_senders) {
    auto started = StartSender();
    if (!started && threads_.empty()) return started;
  }
  queue_.push_back(std::move(job));
  wake_.notify_one();
  return sys::Ok();
}

bool DeletionPool::HasIdleSender() {
  const std::lock_guard lock(mutex_);
  return idle_ > 0;
}

sys::Status DeletionPool::StartSender() {
  auto opened = nl::Socket::Open(NETLINK_ROUTE);
  if (!opened) return opened.error();
  auto socket = std::make_shared<nl::Socket>(std::move(*opened));
  socket->SetReceiveBuffer(nl::kReceiveBuffer);
  std::thread thread;
  auto started = StartThread(thread, [this, socket] { Loop(*socket); });
  if (!started) return started;
  threads_.push_back(std::move(thread));
  ++idle_;
  return sys::Ok();
}

void DeletionPool::Hasten() {
  {
    const std::lock_guard lock(mutex_);
    is_hasty_ = true;
  }
  wake_.notify_all();
}

void DeletionPool::Stop(bool discard) {
  std::deque<DeletionJob> dropped;
  std::vector<std::thread> threads;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    if (discard) dropped.swap(queue_);
    threads.swap(threads_);
  }
  wake_.notify_all();
  for (std::thread& thread : threads) thread.join();
}

void DeletionPool::Loop(nl::Socket& socket) {
  PrepareThread(options_.name);
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return queue_.empty() ? stopping_ : !has_turn_; });
    if (queue_.empty()) return;
    --idle_;
    has_turn_ = true;
    if (options_.quiet != nullptr) WaitForQuiet(lock);
    std::vector<DeletionJob> jobs = Take();
    if (stopping_) wake_.notify_all();
    lock.unlock();
    Run(socket, std::move(jobs));
    lock.lock();
    ++idle_;
  }
}

void DeletionPool::WaitForQuiet(std::unique_lock<std::mutex>& lock) {
  const auto latest = QuietTime::Clock::now() + kLongestWait;
  while (!stopping_ && !is_hasty_) {
    const auto until = std::min(options_.quiet->Since() + kQuiet, latest);
    if (QuietTime::Clock::now() >= until) return;
    wake_.wait_until(lock, until);
  }
}

// Group commit: whatever waits now, up to the limit.
std::vector<DeletionJob> DeletionPool::Take() {
  std::vector<DeletionJob> jobs;
  size_t links = 0;
  while (!queue_.empty() &&
         (jobs.empty() || links + LinksOf(queue_.front()) <= options_.max_links)) {
    links += LinksOf(queue_.front());
    jobs.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  return jobs;
}

void DeletionPool::Run(nl::Socket& socket, std::vector<DeletionJob> jobs) {
  Commit commit;
  commit.reserve(jobs.size());
  const auto unanswered = std::make_shared<std::atomic<size_t>>(jobs.size());
  for (DeletionJob& job : jobs) {
    auto waiter = std::make_shared<DeathWatch::Waiter>();
    waiter->answer = [this, unanswered,
                      answered = std::move(job.answered)](const DeletionResult& result) {
      answered(result);
      if (--*unanswered == 0) EndTurn();
    };
    commit.push_back({std::move(job), std::move(waiter), {}, {}});
  }
  Verify(socket, commit);
  Send(socket, commit);
  for (Member& member : commit) {
    if (auto late = watch_.Finish(member.waiter)) member.job.failed_late(*late);
  }
}

// All are answered: the kernel's lock is given back, or will be at once.
void DeletionPool::EndTurn() {
  {
    const std::lock_guard lock(mutex_);
    has_turn_ = false;
  }
  wake_.notify_one();
}

// Looks at every link before anything is changed: an index may have gone to a stranger.
void DeletionPool::Verify(nl::Socket& socket, Commit& commit) {
  std::vector<uint32_t> indexes;
  for (const Member& member : commit) {
    for (const DoomedLink& link : member.job.what.links) indexes.push_back(link.ifindex);
    for (const RetiredBridge& bridge : member.job.what.retire) {
      indexes.push_back(bridge.link.ifindex);
    }
  }
  Sightings sightings;
  for (const uint32_t ifindex : indexes) sightings.try_emplace(ifindex);
  if (indexes.size() >= kDumpFrom && indexes.size() * kDumpShare >= links_at_last_dump_) {
    links_at_last_dump_ = LookAround(socket, sightings);
    std::erase_if(indexes, [&](uint32_t ifindex) { return sightings[ifindex].row.has_value(); });
  }
  LookUp(socket, indexes, sightings);
  for (Member& member : commit) {
    DeletionResult& result = member.waiter->result;
    const auto find = [&](const DoomedLink& link) -> const rtnl::LinkRow* {
      const Sighting& sighting = sightings[link.ifindex];
      if (sighting.failure && !result.failure) result.failure = sighting.failure;
      if (!sighting.row) {
        if (!sighting.failure) result.absent.push_back(link.ifindex);
        return nullptr;
      }
      if (!IsStillOurs(link, *sighting.row) && !result.failure) {
        result.failure = NotOurs(link, *sighting.row);
        result.is_foreign = true;
      }
      return &*sighting.row;
    };
    for (const DoomedLink& link : member.job.what.links) {
      if (const auto* row = find(link)) member.present.push_back({link.ifindex, row->group});
    }
    for (const RetiredBridge& bridge : member.job.what.retire) {
      if (find(bridge.link) != nullptr) member.retiring.push_back(&bridge);
    }
    if (!result.failure) continue;
    member.present.clear();
    member.retiring.clear();
  }
}

void DeletionPool::Send(nl::Socket& socket, Commit& commit) {
  if (IsOneLink(commit)) return SendOne(socket, commit.front());
  const uint32_t group = RandomGroup();
  std::vector<nl::Message> messages;
  std::vector<Member*> owners;
  std::vector<Member*> deleting;
  for (Member& member : commit) {
    for (const RetiredBridge* bridge : member.retiring) Retire(messages, *bridge);
    for (const PresentLink& link : member.present) {
      Regroup(messages, link.ifindex, group);
      watch_.Expect(link.ifindex, member.waiter);
    }
    owners.resize(messages.size(), &member);
    if (!member.present.empty()) deleting.push_back(&member);
  }
  if (messages.empty()) return;
  if (!deleting.empty()) messages.push_back(rtnl::DeleteGroup(group));
  auto acks = nl::SendBatch(socket, messages);
  for (const Member& member : commit) {
    if (member.job.lost) acks = *member.job.lost;
  }
  if (!acks) {
    // What was done is unknown, perhaps all of it: the same once more does the rest.
    for (Member& member : commit) SendAlone(socket, member);
    return;
  }
  for (size_t i = 0; i < owners.size(); ++i) {
    if (IsFailure((*acks)[i])) watch_.Fail(owners[i]->waiter, *(*acks)[i]);
  }
  const nl::Ack deleted = deleting.empty() ? nl::Ack() : acks->back();
  if (!IsFailure(deleted)) return;
  // One link that the kernel won't delete keeps its whole group: let only its own job fail.
  for (Member* member : deleting) SendAlone(socket, *member);
}

// Nothing to be collected: a message less, and no search through all links of the namespace.
void DeletionPool::SendOne(nl::Socket& socket, Member& member) {
  const uint32_t ifindex = member.present.front().ifindex;
  watch_.Expect(ifindex, member.waiter);
  std::vector<nl::Message> messages;
  messages.push_back(rtnl::DeleteLink(ifindex));
  auto acks = nl::SendBatch(socket, messages);
  if (member.job.lost) acks = *member.job.lost;
  // Nobody knows whether it was done: the second time, what is gone is no failure.
  if (!acks) acks = nl::SendBatch(socket, messages);
  const nl::Ack deleted = acks ? acks->front() : nl::Ack(acks.error());
  if (IsFailure(deleted)) watch_.Fail(member.waiter, *deleted);
}

void DeletionPool::SendAlone(nl::Socket& socket, Member& member) {
  const uint32_t group = RandomGroup();
  std::vector<nl::Message> messages;
  for (const RetiredBridge* bridge : member.retiring) Retire(messages, *bridge);
  const size_t retires = messages.size();
  for (const PresentLink& link : member.present) Regroup(messages, link.ifindex, group);
  if (!member.present.empty()) messages.push_back(rtnl::DeleteGroup(group));
  if (messages.empty()) return;
  auto acks = nl::SendBatch(socket, messages);
  for (size_t i = 0; acks && i < retires; ++i) {
    if (IsFailure((*acks)[i])) watch_.Fail(member.waiter, *(*acks)[i]);
  }
  const nl::Ack deleted = acks ? acks->back() : nl::Ack(acks.error());
  if (!IsFailure(deleted)) return;
  watch_.Fail(member.waiter, *deleted);
  std::vector<nl::Message> restore;
  for (const PresentLink& link : member.present) Regroup(restore, link.ifindex, link.group);
  static_cast<void>(nl::SendBatch(socket, restore));
}

}  // namespace snnet::exec

// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <string>

#include "exec/step.h"
#include "sys/result.h"
#include "sys/unique_fd.h"

namespace snnet::exec {

// The namespaces that a plan reaches into beside its own, open as long as it runs: whoever
// exchanges a path meanwhile does not split the plan over two.
class OtherNamespaces {
 public:
  // Opens what the step speaks of.
  sys::Status OpenFor(const Step& step);

  // -1 where none of that path is open.
  int fd(const std::string& netns) const;

  // Runs the job on a thread that has entered the namespace, and waits for it. The caller never
  // leaves its own: who leaves may find himself without the privilege to come back.
  sys::Status RunInside(const std::string& netns, const std::function<void()>& job) const;

 private:
  sys::Status Open(const std::string& netns);

  std::map<std::string, sys::UniqueFd> open_;
};

}  // namespace snnet::exec

// Repeated refusals of somebody known, gathered in the shell: the first few of a kind are facts of
// their own, and the rest of a minute is one.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "governance/audit/audit.h"

namespace bessemer::audit {

constexpr std::uint64_t refusals_told = 5;        // of one kind in a minute, each by itself
constexpr std::size_t max_refusal_kinds = 1'000;  // of a minute; the rest counts as others

// A refusal to record, and whose it is.
struct Told {
  PrincipalId actor;
  KeyId key;
  RecordRefusal refusal;
};

// Bounded whatever a good key asks for: refusals are for ever, and asking is free. A kind is a key,
// an operation and a reason.
class RefusalCounter {
 public:
  // Counts one refusal; returns what is to be recorded by now. `operation` is one of few words,
  // never what the caller wrote.
  std::vector<Told> count(Instant now, Told one, std::string_view operation);
  // What the former minute still has to tell, once it is over: to be asked once a tick.
  std::vector<Told> due(Instant now);

 private:
  struct Counted {
    std::uint64_t times = 0;
    Told last;  // of those that are not told by themselves
  };
  using Kind = std::tuple<KeyId, std::string, std::string>;

  Instant minute_;
  std::map<Kind, Counted> kinds_;
  std::uint64_t others_ = 0;
};

}  // namespace bessemer::audit

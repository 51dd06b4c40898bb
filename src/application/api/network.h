// Refuses, when it is asked for, a network that no site of this factory gives its tasks.
#pragma once
#include <optional>
#include <string>

#include "application/api/call.h"

namespace bessemer::api {

inline Result<void> check_network(Call& call, std::optional<workload::Network> asked,
                                  std::string_view field) {
  if (asked != workload::Network::egress || call.services().standing.isolation().egress) return {};
  return invalid("no site of this factory gives its tasks a way out")
      .at(std::string(field))
      .because("isolation_missing")
      .fix("use network: none, and declare what it needs as inputs");
}

}  // namespace bessemer::api

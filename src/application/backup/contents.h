// The list of a backup's files, its last file: without it a backup is not whole.
//
//   bessemer-backup 1
//   taken 2026-11-20T11:15:00Z
//   sequence 1234
//   chain <SHA-256 of the batch that ends there>
//   file <bytes> <SHA-256> <path>      for each, by path
//   end <SHA-256 of every line before>
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "base/result.h"
#include "base/time.h"
#include "journal/journal.h"

namespace bessemer::backup {

constexpr std::string_view contents_name = "CONTENTS";
constexpr std::size_t max_contents_bytes = std::size_t{4} << 30;

struct Listed {
  std::uint64_t bytes = 0;
  Digest digest;
  friend bool operator==(const Listed&, const Listed&) = default;
};

struct Contents {
  Instant taken;
  journal::Head at;  // the facts that it holds, and their chain
  std::map<std::string, Listed> files;
  friend bool operator==(const Contents&, const Contents&) = default;
};

std::string to_text(const Contents& contents);
// Errors: invalid "backup_damaged" (cut off or altered), "backup_newer".
Result<Contents> parse_contents(std::string_view text);

}  // namespace bessemer::backup

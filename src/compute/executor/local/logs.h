// Reads the bounded logs of a task: see supervisor/logs.h for how they are kept.
#pragma once
#include <cstdint>
#include <string>

#include "base/result.h"

namespace bessemer::executor {

enum class Output : std::uint8_t { standard, error };

struct LogPiece {
  std::string bytes;
  std::uint64_t offset = 0;   // of `bytes` in the whole stream
  std::uint64_t next = 0;     // read on from here
  std::uint64_t dropped = 0;  // bytes before `offset` that the limit has cost
};

// Reads up to `most` bytes of a stream from `offset` on; empty at its present end. Where what was
// asked for has been dropped it goes on at the next byte that is kept, and says how many are gone.
// Errors: not_found (no such task).
Result<LogPiece> read_log(const std::string& task_directory, Output output, std::uint64_t offset,
                          std::size_t most);

// The length of the stream so far, dropped bytes included. Errors: not_found.
Result<std::uint64_t> log_size(const std::string& task_directory, Output output);

}  // namespace bessemer::executor

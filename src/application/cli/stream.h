// One session inside a task, from this side: frames to and from local descriptors.
#pragma once
#include <string>

#include "application/server/client.h"
#include "base/result.h"

namespace bessemer::cli {

// Where the session's bytes come from and go to.
struct LocalStreams {
  int input = -1;                 // read until its end; -1: there is none
  int output = -1;
  int errors = -1;                // -1: kept in `said`
  bool terminal = false;          // `input` is a terminal in raw mode; its size is told
  bool output_is_socket = false;  // the end of what comes shuts it for writing
};

// How a session ended.
struct StreamEnd {
  int exit_code = 0;
  std::string said;               // standard error, where it has no descriptor
  bool output_gone = false;       // nobody reads `output` any more
};

// Relays until the session ends. `output` may block: then nothing more is taken from the task.
// Errors: what the factory says at the end (a key that expired, a task that ended), unavailable
// (the connection broke).
Result<StreamEnd> relay(server::BlockingClient::Released connection, const LocalStreams& local);

// A terminal that hands over every key as it is, until this goes.
class RawTerminal {
 public:
  // Errors: invalid (not a terminal).
  Result<void> enter(int descriptor);
  ~RawTerminal();

 private:
  int descriptor_ = -1;
  std::string before_;
};

}  // namespace bessemer::cli

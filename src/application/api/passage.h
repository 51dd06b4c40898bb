// Ways into a running task: a command in it, or a connection to a port that it listens on.
#pragma once
#include <cstdint>
#include <memory>
#include <string_view>

#include "base/result.h"
#include "compute/executor/executor.h"
#include "compute/executor/wire.h"

namespace bessemer::api {

// Who uses a passage; called on the loop's thread. Each call may destroy the passage.
struct PassageUser {
  virtual ~PassageUser() = default;
  // The views are valid during the call only.
  virtual void on_output(std::string_view bytes) = 0;
  virtual void on_errors(std::string_view bytes) = 0;
  virtual void on_output_end() = 0;  // of a connection: the task sends no more
  // unwritten() has fallen to nothing after it was above `passage_high`.
  virtual void on_room() = 0;
  // The command has ended (128 + signal where one ended it), or both sides of the connection are
  // closed; everything it said has been handed on.
  virtual void on_end(int exit_code) = 0;
  // It did not come about, or the task went away.
  virtual void on_broken(const Error& why) = 0;
};

constexpr std::size_t passage_high = 256 * 1024;  // unwritten bytes above which to write no more

// Its end kills the command, or closes the connection.
struct Passage {
  virtual ~Passage() = default;
  virtual void write(std::string_view bytes) = 0;  // what the task has not taken is kept
  virtual std::size_t unwritten() const = 0;
  virtual void end_input() = 0;                    // after what is still unwritten
  virtual void resize(std::uint16_t rows, std::uint16_t columns) = 0;
  // Of what the task says: nothing is read from it between the two.
  virtual void pause() = 0;
  virtual void resume() = 0;
};

struct Doors {
  virtual ~Doors() = default;
  // `user` outlives the passage. Errors: not_found (no such task runs), unavailable.
  virtual Result<std::unique_ptr<Passage>> execute(const executor::TaskKey& key,
                                                   const executor::wire::Execute& what,
                                                   PassageUser& user) = 0;
  virtual Result<std::unique_ptr<Passage>> connect(const executor::TaskKey& key,
                                                   std::uint16_t port, PassageUser& user) = 0;
};

}  // namespace bessemer::api

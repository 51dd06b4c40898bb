// One end of a pipe or a terminal on a loop, with back-pressure in both directions.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "world/real/loop.h"

namespace bessemer::real {

// Who uses a pipe. Each call may destroy it.
struct PipeUser {
  virtual ~PipeUser() = default;
  virtual void on_read(std::string_view bytes) = 0;
  // The other side is closed; nothing more will come.
  virtual void on_read_end() = 0;
  // unwritten() has fallen to nothing.
  virtual void on_written() {}
  // Nobody reads any more: what is unwritten is dropped.
  virtual void on_write_end() {}
};

enum class Way : std::uint8_t { read, write, both };

// Anything that epoll can watch and that is no socket.
class Pipe final : public Watcher {
 public:
  // Takes the descriptor over and makes it non-blocking. Errors: internal (epoll refused).
  static Result<std::unique_ptr<Pipe>> open(Loop& loop, Descriptor descriptor, Way way,
                                            PipeUser& user);
  ~Pipe() override;

  void write(std::string_view bytes);
  std::size_t unwritten() const { return output_.size() - written_; }
  // Closes once everything is written. Requires: Way::write.
  void end();
  void pause() { paused_ = true; }
  void resume();
  // Reads what is there now, but no more than a turn's share: then the rest comes in the next turn.
  enum class Drained : std::uint8_t { empty, ended, paused, more };
  Drained drain();
  // -1 once it is closed.
  int descriptor() const { return descriptor_.get(); }

  void on_events(std::uint32_t events) override;

 private:
  Pipe(Loop& loop, Descriptor descriptor, Way way, PipeUser& user)
      : loop_(loop), descriptor_(std::move(descriptor)), way_(way), user_(user) {}
  bool flush();
  void close();

  static constexpr std::size_t piece_bytes = 32 * 1024;
  static constexpr int pieces_per_turn = 8;
  Loop& loop_;
  Descriptor descriptor_;
  Way way_;
  PipeUser& user_;
  Loop::Watch watch_ = 0;
  std::string output_;
  std::size_t written_ = 0;
  // False once we are gone: a user may let go of us in any call.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  bool paused_ = false, ending_ = false;
};

}  // namespace bessemer::real

// What a task says of itself: lines on its socket and in its metrics file.
#pragma once
#include <functional>
#include <map>
#include <string>

#include "compute/executor/channel.h"
#include "compute/executor/supervisor/loop.h"
#include "compute/executor/wire.h"

namespace bessemer::executor {

// Reads both and hands on what is well formed.
class Voice {
 public:
  // `durable` makes everything said so far survive a crash; a checkpoint is acknowledged after it.
  struct Ear {
    std::function<void(wire::Mark)> heard;
    std::function<bool()> durable;
  };
  Voice(Loop& loop, Ear ear) : loop_(loop), ear_(std::move(ear)) {}

  void attach(Fd metrics, Fd socket);
  // Reads what the metrics file holds now; at the end of the task also a last line without '\n'.
  void read_metrics(bool last);

 private:
  struct Speaker {
    Fd socket;
    std::string held;
  };
  void accept();
  void listen_to(int fd);
  // False: the speaker is cut off.
  bool answer(Speaker& speaker);
  std::string reply_to(std::string_view line);

  static constexpr std::size_t speakers_limit = 64;
  Loop& loop_;
  Ear ear_;
  Fd metrics_, listener_;
  std::uint64_t metrics_offset_ = 0;
  std::string metrics_held_;
  std::map<int, Speaker> speakers_;
};

}  // namespace bessemer::executor

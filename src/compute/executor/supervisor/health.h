// Asks a service whether it is ready: GET /health, inside the task.
#pragma once
#include <functional>
#include <string>

#include "compute/executor/channel.h"
#include "compute/executor/supervisor/loop.h"

namespace bessemer::executor {

// Asks again and again; tells only changes. A ready service is unready after three failures.
class HealthCheck {
 public:
  struct Means {
    std::function<void(std::function<void(Fd)>)> connect;
    std::function<void(bool ready, std::string why)> changed;
  };
  HealthCheck(Loop& loop, Means means) : loop_(loop), means_(std::move(means)) {}
  void start() { ask(); }

 private:
  void ask();
  void write(Fd socket);
  void read();
  void settle(bool ready, std::string why);

  static constexpr int failures_limit = 3;
  Loop& loop_;
  Means means_;
  Fd socket_;
  std::string answer_;
  Loop::Timer give_up_{};
  bool ready_ = false, told_ = false;
  int failures_ = 0;
};

}  // namespace bessemer::executor

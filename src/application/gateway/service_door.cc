// The supervisor's door to a service inside a task: it passes connected sockets.
#include "application/gateway/service_door.h"

#include <utility>
#include <vector>

#include "base/text.h"

namespace bessemer::gateway {
namespace {

constexpr std::size_t max_reason = 1024;  // bytes of a refusal

}  // namespace

Result<void> ServiceDoor::open() {
  if (socket_) return {};
  TRY_ASSIGN(socket_, real::connect_packets(path_));
  TRY_ASSIGN(watch_, loop_.watch(socket_, *this));
  return {};
}

void ServiceDoor::ask(Passed passed) {
  if (waiting_.size() >= max_waiting_at_door) {
    return passed(unavailable("too many connections to the replica are being made"));
  }
  if (auto opened = open(); !opened) return passed(std::move(opened).error());
  auto sent = real::send_descriptors(socket_, "c", {});
  if (!sent) {
    shut(sent.error());
    return passed(std::move(sent).error());
  }
  waiting_.push_back({std::move(passed), loop_.now()});
  if (sweeper_ == 0) sweeper_ = loop_.after(door_patience, [this] { sweep(); });
}

void ServiceDoor::on_events(std::uint32_t) {
  while (socket_ && receive_one()) {
  }
}

// True when there may be more.
bool ServiceDoor::receive_one() {
  char reason[max_reason];
  std::vector<real::Descriptor> passed;
  auto got = real::receive_descriptors(socket_, reason, passed);
  if (!got && got.error().code == Code::exhausted) return false;
  if (!got) {
    shut(got.error());
    return false;
  }
  if (waiting_.empty() || (*got == 0 && passed.empty())) {
    shut(unavailable("the replica's supervisor has closed its door"));
    return false;
  }
  const auto first = std::move(waiting_.front());
  waiting_.pop_front();
  if (!passed.empty()) {
    first.passed(std::move(passed.front()));
  } else {
    const auto why = trim(std::string_view(reason, *got));
    first.passed(unavailable("the replica does not take connections: " + std::string(why)));
  }
  return true;
}

void ServiceDoor::sweep() {
  sweeper_ = 0;
  if (waiting_.empty()) return;
  if (loop_.now() - waiting_.front().since >= door_patience) {
    return shut(unavailable("the replica's supervisor does not answer"));
  }
  sweeper_ = loop_.after(door_patience, [this] { sweep(); });
}

void ServiceDoor::shut(const Error& why) {
  if (watch_ != 0) loop_.forget(socket_, std::exchange(watch_, 0));
  socket_.reset();
  loop_.cancel(std::exchange(sweeper_, 0));
  for (const auto& asked : std::exchange(waiting_, {})) asked.passed(why);
}

}  // namespace bessemer::gateway

// Standard streams of a command in a task, and connections to its ports.
#include "application/daemon/task_doors.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>

#include "world/real/connection.h"
#include "world/real/pipe.h"

namespace bessemer::daemon {
namespace {

// The supervisor's end of one request; told when it can be read.
class Answers final : public real::Watcher {
 public:
  static Result<std::unique_ptr<Answers>> open(real::Loop& loop, executor::Fd connection,
                                               std::function<void()> then) {
    std::unique_ptr<Answers> made(new Answers(loop, std::move(then)));
    made->connection_ = real::Descriptor(connection.release());
    TRY_ASSIGN(made->watch_, loop.watch(made->connection_, *made));
    return made;
  }
  ~Answers() override { loop_.forget(connection_, watch_); }
  int get() const { return connection_.get(); }
  void on_events(std::uint32_t) override { then_(); }

 private:
  Answers(real::Loop& loop, std::function<void()> then) : loop_(loop), then_(std::move(then)) {}
  real::Loop& loop_;
  std::function<void()> then_;
  real::Descriptor connection_;
  real::Loop::Watch watch_ = 0;
};

// ---- a command

constexpr std::size_t late_limit = 4 << 20;  // more than all its pipes can hold
constexpr Duration terminal_patience = milliseconds(300);
constexpr Duration terminal_look = milliseconds(10);

struct StandardStreams {
  std::array<executor::Fd, 3> theirs;
  std::array<real::Descriptor, 3> ours;
};

Result<StandardStreams> make_streams() {
  StandardStreams made;
  for (std::size_t i = 0; i < 3; ++i) {
    int ends[2] = {-1, -1};
    if (::pipe2(ends, O_CLOEXEC) != 0) {
      return exhausted("the factory has no more descriptors for this").retried(Retry::later);
    }
    const bool input = i == 0;
    made.theirs[i] = executor::Fd(ends[input ? 0 : 1]);
    made.ours[i] = real::Descriptor(ends[input ? 1 : 0]);
  }
  return made;
}

class Command final : public api::Passage {
 public:
  Command(real::Loop& loop, api::PassageUser& user) : loop_(loop), user_(user) {}

  Result<void> begin(executor::LocalExecutor& executor, const executor::TaskKey& key,
                     const executor::wire::Execute& what) {
    StandardStreams streams;
    std::vector<int> standard;
    if (!what.terminal) {
      TRY_ASSIGN(streams, make_streams());
      for (const auto& one : streams.theirs) standard.push_back(one.get());
    }
    TRY_ASSIGN(auto connection, executor.command(key, what, standard));
    TRY_ASSIGN(answers_, Answers::open(loop_, std::move(connection), [this] { hear(); }));
    if (what.terminal) return {};
    using real::Way;
    TRY_ASSIGN(input_, real::Pipe::open(loop_, std::move(streams.ours[0]), Way::write, in_));
    TRY_ASSIGN(output_, real::Pipe::open(loop_, std::move(streams.ours[1]), Way::read, out_));
    TRY_ASSIGN(errors_, real::Pipe::open(loop_, std::move(streams.ours[2]), Way::read, err_));
    return {};
  }

  void write(std::string_view bytes) override {
    if (real::Pipe* const to = writer()) to->write(bytes);
    else if (!answered_) early_ += bytes;
    above_ = above_ || unwritten() > api::passage_high;
  }
  std::size_t unwritten() const override {
    const real::Pipe* const to = input_ ? input_.get() : terminal_.get();
    return to != nullptr ? to->unwritten() : early_.size();
  }
  // A terminal's input has no end of its own: whoever types sends Ctrl-D.
  void end_input() override {
    if (input_) input_->end();
  }
  void resize(std::uint16_t rows, std::uint16_t columns) override {
    if (!terminal_) return;
    const winsize size{rows, columns, 0, 0};
    ::ioctl(terminal_->descriptor(), TIOCSWINSZ, &size);
  }
  void pause() override {
    paused_ = true;
    for (real::Pipe* const one : readers()) one->pause();
  }
  void resume() override {
    paused_ = false;
    for (real::Pipe* const one : readers()) one->resume();
    if (exit_code_) finish_soon();
  }

 private:
  struct Reader final : real::PipeUser {
    Reader(Command& owner, bool errors) : owner_(owner), errors_(errors) {}
    void on_read(std::string_view bytes) override {
      if (owner_.exit_code_) owner_.said_late_ += bytes.size();
      if (errors_) owner_.user_.on_errors(bytes);
      else owner_.user_.on_output(bytes);
    }
    void on_read_end() override {
      if (owner_.exit_code_) owner_.finish_soon();
    }
    void on_written() override { owner_.written(); }
    Command& owner_;
    bool errors_;
  };
  struct Writer final : real::PipeUser {
    explicit Writer(Command& owner) : owner_(owner) {}
    void on_read(std::string_view) override {}
    void on_read_end() override {}
    void on_written() override { owner_.written(); }
    void on_write_end() override { owner_.written(); }
    Command& owner_;
  };

  std::vector<real::Pipe*> readers() {
    std::vector<real::Pipe*> all;
    for (auto* const one : {output_.get(), errors_.get(), terminal_.get()}) {
      if (one != nullptr) all.push_back(one);
    }
    return all;
  }
  real::Pipe* writer() { return input_ ? input_.get() : terminal_.get(); }

  void written() {
    if (std::exchange(above_, false)) user_.on_room();
  }

  void hear() {
    const auto alive = std::weak_ptr(alive_);
    while (!alive.expired() && answers_) {
      auto news = executor::LocalExecutor::take_command(answers_->get());
      if (!news) return;
      take(*news);
    }
  }

  void take(executor::CommandNews& news) {
    if (!news.refused.empty()) return broken(conflict(news.refused));
    if (news.answered) {
      answered_ = true;
      if (news.terminal) begin_terminal(std::move(news.terminal));
    }
    if (news.exit_code) {
      exit_code_ = news.exit_code;
      ended_at_ = loop_.now();
      answers_.reset();
      finish();
    } else if (news.closed) {
      broken(unavailable("the task has ended"));
    }
  }

  void begin_terminal(executor::Fd terminal) {
    auto opened = real::Pipe::open(loop_, real::Descriptor(terminal.release()), real::Way::both,
                                   out_);
    if (!opened) return broken(opened.error());
    terminal_ = *std::move(opened);
    if (paused_) terminal_->pause();
    terminal_->write(std::exchange(early_, {}));
  }

  // What the command said before its end lies in its pipes by now, and soon in its terminal. What
  // something that it has left behind says later is nobody's.
  void finish() {
    const auto alive = std::weak_ptr(alive_);
    for (real::Pipe* const one : readers()) {
      if (said_late_ > late_limit) break;
      const auto drained = one->drain();
      if (alive.expired() || drained == real::Pipe::Drained::paused) return;
      if (drained == real::Pipe::Drained::more) return finish_soon();
      if (drained == real::Pipe::Drained::empty && one == terminal_.get() &&
          loop_.now() < ended_at_ + terminal_patience) {
        return finish_after(terminal_look);
      }
    }
    user_.on_end(*exit_code_);
  }
  void finish_soon() { finish_after({}); }
  void finish_after(Duration delay) {
    if (std::exchange(finishing_, true)) return;
    loop_.after(delay, [this, alive = std::weak_ptr(alive_)] {
      if (alive.expired()) return;
      finishing_ = false;
      finish();
    });
  }

  void broken(Error why) {
    answers_.reset();
    user_.on_broken(why);
  }

  real::Loop& loop_;
  api::PassageUser& user_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  Writer in_{*this};
  Reader out_{*this, false}, err_{*this, true};
  std::unique_ptr<real::Pipe> input_, output_, errors_, terminal_;
  std::unique_ptr<Answers> answers_;
  std::string early_;  // for a terminal that is still being opened
  std::optional<int> exit_code_;
  Duration ended_at_;
  std::size_t said_late_ = 0;  // bytes read since the end
  bool answered_ = false, above_ = false, paused_ = false, finishing_ = false;
};

// ---- a connection

class Port final : public api::Passage, real::ConnectionUser {
 public:
  Port(real::Loop& loop, api::PassageUser& user) : loop_(loop), user_(user) {}
  ~Port() override {
    if (connection_) connection_->close();
  }

  Result<void> begin(executor::LocalExecutor& executor, const executor::TaskKey& key,
                     std::uint16_t port) {
    TRY_ASSIGN(auto asked, executor.connect(key, port));
    TRY_ASSIGN(answers_, Answers::open(loop_, std::move(asked), [this] { hear(); }));
    return {};
  }

  void write(std::string_view bytes) override {
    if (connection_) connection_->send(bytes);
    else early_ += bytes;
    above_ = above_ || unwritten() > api::passage_high;
  }
  std::size_t unwritten() const override {
    return connection_ ? connection_->unsent() : early_.size();
  }
  void end_input() override {
    input_over_ = true;
    shut();
  }
  void resize(std::uint16_t, std::uint16_t) override {}
  void pause() override {
    paused_ = true;
    if (connection_) connection_->pause();
  }
  void resume() override {
    paused_ = false;
    if (connection_) connection_->resume();
  }

 private:
  void hear() {
    auto opened = executor::LocalExecutor::take_connection(answers_->get());
    if (!opened && opened.error().retry == Retry::now) return;
    answers_.reset();
    if (!opened) return user_.on_broken(opened.error());
    duplicate_ = real::Descriptor(::fcntl(opened->get(), F_DUPFD_CLOEXEC, 0));
    connection_ = real::Connection::adopt(loop_, real::Descriptor(opened->release()), *this,
                                          {.low_output = 0});
    if (paused_) connection_->pause();
    if (!early_.empty()) connection_->send(std::exchange(early_, {}));
    shut();
  }

  // Half of the connection: the task sees the end of what it reads and may go on writing.
  void shut() {
    if (!input_over_ || !connection_ || connection_->unsent() > 0 || shut_) return;
    shut_ = true;
    ::shutdown(duplicate_.get(), SHUT_WR);
    finish();
  }

  void finish() {
    if (shut_ && output_over_) user_.on_end(0);
  }

  void on_input(real::Connection& connection) override {
    const std::string bytes(connection.input());
    connection.consume(bytes.size());
    user_.on_output(bytes);
  }
  void on_end(real::Connection&) override {
    output_over_ = true;
    const auto alive = std::weak_ptr(alive_);
    user_.on_output_end();
    if (!alive.expired()) finish();
  }
  void on_room(real::Connection&) override {
    const auto alive = std::weak_ptr(alive_);
    if (std::exchange(above_, false)) user_.on_room();
    if (!alive.expired()) shut();
  }
  void on_broken(real::Connection&, const Error& why) override { user_.on_broken(why); }

  real::Loop& loop_;
  api::PassageUser& user_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::unique_ptr<Answers> answers_;
  real::ConnectionPointer connection_;
  real::Descriptor duplicate_;
  std::string early_;
  bool paused_ = false, above_ = false, input_over_ = false, output_over_ = false, shut_ = false;
};

}  // namespace

Result<std::unique_ptr<api::Passage>> TaskDoors::execute(const executor::TaskKey& key,
                                                         const executor::wire::Execute& what,
                                                         api::PassageUser& user) {
  auto made = std::make_unique<Command>(loop_, user);
  TRY(made->begin(executor_, key, what));
  return std::unique_ptr<api::Passage>(std::move(made));
}

Result<std::unique_ptr<api::Passage>> TaskDoors::connect(const executor::TaskKey& key,
                                                         std::uint16_t port,
                                                         api::PassageUser& user) {
  auto made = std::make_unique<Port>(loop_, user);
  TRY(made->begin(executor_, key, port));
  return std::unique_ptr<api::Passage>(std::move(made));
}

}  // namespace bessemer::daemon

// One client inside one task: frames to a passage and back.
#include "application/api/task_session.h"

#include "application/api/route.h"
#include "application/http/frame.h"
#include "base/check.h"
#include "world/real/connection.h"

namespace bessemer::api {
namespace {

constexpr std::size_t client_high = 256 * 1024;  // unsent bytes above which the task waits
constexpr std::size_t client_input = 2 * http::max_frame_bytes;  // room for a whole frame

}  // namespace

class TaskSessions::Session final : public real::ConnectionUser, public PassageUser {
 public:
  Session(TaskSessions& owner, std::uint64_t number, const access::Caller& caller, TaskWish wish)
      : owner_(owner), number_(number), caller_(caller), wish_(std::move(wish)),
        began_(owner.services_.loop.now()) {}
  ~Session() override {
    passage_.reset();
    if (connection_) connection_->close();
  }

  const access::Caller& caller() const { return caller_; }
  const TaskWish& wish() const { return wish_; }

  // The connection is ours; begins, if it still may.
  void take(real::ConnectionPointer connection, const Result<void>& room) {
    connection_ = std::move(connection);
    connection_->set_user(*this);
    connection_->set_max_input(client_input);
    if (!room) return refuse(room.error());
    Doors& doors = owner_.services_.doors;
    auto opened = wish_.port != 0 ? doors.connect(wish_.key, wish_.port, *this)
                                  : doors.execute(wish_.key, wish_.command, *this);
    if (!opened) return refuse(opened.error());
    passage_ = *std::move(opened);
    connection_->resume();
    read();
  }

  // Ends it when its caller may no longer do this.
  void check_caller() {
    const factory::State& state = owner_.services_.engine.state();
    const auto path = tenant::ancestors(state.tenant, wish_.project);
    const auto may = access::authorize(state.access, caller_, path, access::Resource::job,
                                       access::Action::exec, owner_.services_.clock.now());
    if (!may) refuse(may.error());
  }

  // ---- the client
  void on_input(real::Connection&) override { read(); }
  void on_hang_up(real::Connection&) override { over("the client went away"); }
  void on_end(real::Connection&) override { over("the client went away"); }
  void on_room(real::Connection&) override {
    if (std::exchange(task_waits_, false) && passage_) passage_->resume();
  }
  void on_broken(real::Connection&, const Error&) override { over("the client went away"); }

  // ---- the task
  void on_output(std::string_view bytes) override { tell(http::FrameKind::data, bytes); }
  void on_errors(std::string_view bytes) override { tell(http::FrameKind::errors, bytes); }
  void on_output_end() override { tell(http::FrameKind::end, {}); }
  void on_room() override {
    if (over_) return;
    connection_->resume();
    read();
  }
  void on_end(int exit_code) override {
    tell(http::FrameKind::exit, std::string(1, static_cast<char>(exit_code)));
    over(wish_.port != 0 ? "closed" : "exit code " + std::to_string(exit_code));
  }
  void on_broken(const Error& why) override { refuse(why); }

 private:
  void read() {
    while (!over_ && passage_ && passage_->unwritten() <= passage_high) {
      std::string_view in = connection_->input();
      const std::size_t before = in.size();
      http::Frame frame;
      const auto step = http::take_frame(in, frame);
      if (step == http::FrameStep::refused) return refuse(invalid("a frame cannot be read"));
      if (step == http::FrameStep::more) return;
      obey(frame);
      if (over_) return;
      connection_->consume(before - in.size());
    }
    if (!over_) connection_->pause();
  }

  void obey(const http::Frame& frame) {
    http::WindowSize size;
    switch (frame.kind) {
      case http::FrameKind::data: return passage_->write(frame.bytes);
      case http::FrameKind::end: return passage_->end_input();
      case http::FrameKind::resize:
        if (!http::read_window(frame.bytes, size)) break;
        return passage_->resize(size.rows, size.columns);
      default: break;
    }
    refuse(invalid("a frame that a client never sends"));
  }

  void tell(http::FrameKind kind, std::string_view bytes) {
    if (over_) return;
    std::string out;
    http::append_frame(out, kind, bytes);
    connection_->send(out);
    if (connection_->unsent() <= client_high || std::exchange(task_waits_, true)) return;
    if (passage_) passage_->pause();
  }

  void refuse(const Error& why) {
    tell(http::FrameKind::refused, to_text(why));
    over(to_text(why));
  }

  // The last thing that is done with a session: it is destroyed at the end of this turn.
  void over(const std::string& how) {
    if (std::exchange(over_, true)) return;
    if (connection_) real::Connection::close_gently(std::move(connection_));
    const Duration took = owner_.services_.loop.now() - began_;
    (void)owner_.record(caller_, wish_, wish_.action + "_end", how + " after " + to_text(took))
        .has_value();
    owner_.ended(number_);
  }

  TaskSessions& owner_;
  std::uint64_t number_;
  access::Caller caller_;
  TaskWish wish_;
  Duration began_;
  real::ConnectionPointer connection_;
  std::unique_ptr<Passage> passage_;
  bool over_ = false, task_waits_ = false;
};

TaskSessions::TaskSessions(Services& services) : services_(services) {}
TaskSessions::~TaskSessions() = default;

Result<void> TaskSessions::room_for(const access::Caller& caller, OrgId project) const {
  const tenant::State& tree = services_.engine.state().tenant;
  const OrgId tenant = tenant::tenant_of(tree, project);
  std::size_t of_tenant = 0, of_key = 0;
  for (const auto& [number, session] : sessions_) {
    if (tenant::tenant_of(tree, session->wish().project) == tenant) ++of_tenant;
    if (session->caller().key == caller.key) ++of_key;
  }
  const auto full = [](std::size_t most, std::string_view where) {
    return exhausted("at most " + std::to_string(most) + " clients may be " + std::string(where) +
                     " at once")
        .fix("end an exec, cp or port-forward that is open, and try again")
        .retried(Retry::later, seconds(5).ns);
  };
  if (of_key >= max_key_task_sessions) {
    return full(max_key_task_sessions, "inside tasks by one key");
  }
  if (of_tenant >= max_tenant_task_sessions) {
    return full(max_tenant_task_sessions, "inside the tasks of one tenant");
  }
  if (sessions_.size() >= max_task_sessions) return full(max_task_sessions, "inside tasks");
  return {};
}

Result<void> TaskSessions::begin(const Call& call, TaskWish wish,
                                 const server::Responder& responder) {
  check(call.permitted(), "a way into a task without asking permission");
  const access::Caller caller = call.caller();
  TRY(room_for(caller, wish.project));
  wish.from = call.from();
  TRY(record(caller, wish, wish.action, wish.detail));
  services_.engine.when_durable(services_.engine.applied(), [=, this] {
    responder.upgrade(http::task_protocol, [&](real::ConnectionPointer connection) {
      // Others may have begun since this one was let in.
      const Result<void> room = room_for(caller, wish.project);
      const std::uint64_t number = ++last_;
      auto made = std::make_unique<Session>(*this, number, caller, wish);
      Session& session = *made;
      sessions_.emplace(number, std::move(made));
      session.take(std::move(connection), room);
    });
  });
  return {};
}

Result<void> TaskSessions::record(const access::Caller& caller, const TaskWish& wish,
                                  std::string_view action, const std::string& detail) {
  audit::RecordAccess access;
  access.resource = "job";
  access.action = action;
  access.target = wish.target + ": " + detail;
  access.node = wish.project;
  access.from = wish.from;
  Context context;
  context.now = context.occurred_at = services_.clock.now();
  context.actor = caller.principal;
  context.key = caller.key;
  context.origin = Origin::external;
  TRY(services_.engine.submit(audit::Command(std::move(access)), context));
  return {};
}

void TaskSessions::ended(std::uint64_t number) {
  const auto at = sessions_.find(number);
  if (at == sessions_.end()) return;
  services_.loop.bury(std::move(at->second));
  sessions_.erase(at);
}

void TaskSessions::tick() {
  std::vector<Session*> all;
  for (auto& [number, session] : sessions_) all.push_back(session.get());
  for (Session* const one : all) one->check_caller();
}

}  // namespace bessemer::api

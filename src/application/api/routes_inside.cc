// Into running tasks: a command, files in and out, a port. Each goes on as a session of frames.
#include "application/api/lookup.h"
#include "application/api/tables.h"
#include "application/api/task_session.h"
#include "application/http/frame.h"

namespace bessemer::api {
namespace {

using access::Action;
using access::Resource;
using http::Method;

constexpr std::size_t max_words = 1'024;
constexpr std::size_t max_word_bytes = 128 * 1'024;  // of the whole command
constexpr std::size_t max_path = 4'096;

enum class Direction : std::uint8_t { out, in };
DESCRIBE_ENUM(Direction, out, in)

struct ExecBody {
  std::vector<std::string> command;
  std::optional<std::uint32_t> task;
  std::optional<std::string> working_directory;
  std::optional<bool> terminal;
  std::optional<std::uint16_t> rows, columns;
};
DESCRIBE(ExecBody, command, task, working_directory, terminal, rows, columns)

struct FilesBody {
  std::string path;
  Direction direction = Direction::out;
  std::optional<std::uint32_t> task;
  std::optional<std::string> name;  // what comes in is called, where `path` is a directory
};
DESCRIBE(FilesBody, path, direction, task, name)

struct PortBody {
  std::uint16_t port = 0;
  std::optional<std::uint32_t> task;
};
DESCRIBE(PortBody, port, task)

// The running task of the job in the path, for a caller who may reach into it.
Result<TaskWish> wish_of(Call& call, std::uint32_t rank) {
  TRY_ASSIGN(const workload::Workload* const found,
             named_thing<WorkloadId>(
                 call, "job", "job or service",
                 [&](WorkloadId id) { return workload::find(call.state().workload, id); },
                 [](const workload::Workload& one) { return one.spec.project; }));
  if (call.upgrade() != http::task_protocol) {
    return invalid("this goes on as a stream: send 'Connection: upgrade' and 'Upgrade: " +
                   std::string(http::task_protocol) + "'")
        .fix("use bessemer exec, cp or port-forward");
  }
  const std::string name = "the job is " + std::string(enum_text(found->phase));
  if (rank >= found->spec.tasks.value_or(1)) return not_found("it has no such task").at("task");
  const workload::Attempt* const attempt = found->last();
  if (attempt == nullptr || workload::is_final(found->phase) ||
      attempt->tasks.at(rank).phase != workload::TaskPhase::running) {
    return conflict(name + ": nothing of it runs that could be entered")
        .because("task_not_running")
        .fix("see: bessemer explain job " + to_text(found->id) +
             "; submit with --keep-on-failure to look into a failed one");
  }
  TaskWish wish;
  wish.project = found->spec.project;
  wish.key = {attempt->tasks[rank].id, attempt->generation};
  wish.target = to_text(found->id) + " task " + std::to_string(rank);
  return wish;
}

Result<void> check_command(const std::vector<std::string>& words) {
  if (words.empty() || words.front().empty()) {
    return invalid("must name a program").at("command");
  }
  if (words.size() > max_words) {
    return invalid("must be at most 1024 words").at("command").fix("copy a script in: bessemer cp");
  }
  std::size_t bytes = 0;
  for (const std::string& word : words) {
    if (word.find('\0') != std::string::npos) return invalid("must not contain NUL").at("command");
    bytes += word.size() + 1;
  }
  if (bytes > max_word_bytes) {
    return invalid("must be at most 131072 bytes in all")
        .at("command")
        .fix("send long text by standard input, or copy it in: bessemer cp");
  }
  return {};
}

Result<void> check_path(std::string_view path, std::string_view field) {
  if (path.size() > max_path) {
    return invalid("must be at most 4096 characters").at(std::string(field));
  }
  if (path.find('\0') != std::string_view::npos) {
    return invalid("must not contain NUL").at(std::string(field));
  }
  return {};
}

template <class Body>
Result<Body> body_of(const Call& call) {
  return json::read<Body>(call.body().empty() ? "{}" : call.body());
}

Result<void> exec_in_task(const std::shared_ptr<Call>& call, const server::Responder& responder) {
  const auto body = body_of<ExecBody>(*call);
  // Who may not know of the job learns nothing from a wrong body either.
  TRY_ASSIGN(TaskWish wish, wish_of(*call, body ? body->task.value_or(0) : 0));
  if (!body) return body.error();
  TRY(check_command(body->command));
  TRY(check_path(body->working_directory.value_or(""), "working_directory"));
  wish.action = "exec";
  for (const std::string& word : body->command) {
    if (!wish.detail.empty()) wish.detail += ' ';
    const bool plain = !word.empty() && word.find_first_of(" \t\n\"'\\") == std::string::npos;
    if (plain) wish.detail += word;
    else json::write(wish.detail, word);
  }
  wish.command.argv = body->command;
  wish.command.working_directory = body->working_directory.value_or("");
  wish.command.terminal = body->terminal.value_or(false);
  wish.command.rows = body->rows.value_or(24);
  wish.command.columns = body->columns.value_or(80);
  return call->services().sessions->begin(*call, std::move(wish), responder);
}

Result<void> copy_files(const std::shared_ptr<Call>& call, const server::Responder& responder) {
  const auto body = body_of<FilesBody>(*call);
  TRY_ASSIGN(TaskWish wish, wish_of(*call, body ? body->task.value_or(0) : 0));
  if (!body) return body.error();
  if (body->path.empty()) return invalid("must not be empty").at("path");
  TRY(check_path(body->path, "path"));
  TRY(check_path(body->name.value_or(""), "name"));
  const bool out = body->direction == Direction::out;
  wish.action = out ? "copy_out" : "copy_in";
  wish.detail = body->path;
  wish.command.argv = {body->name.value_or("")};
  wish.command.copy = out ? executor::wire::Copy::out : executor::wire::Copy::in;
  wish.command.path = body->path;
  return call->services().sessions->begin(*call, std::move(wish), responder);
}

Result<void> forward_port(const std::shared_ptr<Call>& call, const server::Responder& responder) {
  const auto body = body_of<PortBody>(*call);
  TRY_ASSIGN(TaskWish wish, wish_of(*call, body ? body->task.value_or(0) : 0));
  if (!body) return body.error();
  if (body->port == 0) return invalid("must be between 1 and 65535").at("port");
  wish.action = "port_forward";
  wish.detail = "port " + std::to_string(body->port);
  wish.port = body->port;
  return call->services().sessions->begin(*call, std::move(wish), responder);
}

template <class Body>
Route upgraded(Route route) {
  route.request_schema = &json::schema<Body>;
  route.success = 101;
  return route;
}

}  // namespace

Table inside_routes() {
  return {
      upgraded<ExecBody>(stream_route<&exec_in_task>(
          Method::post, "/api/v1/jobs/{job}/exec", "exec_in_task",
          "Run a command in a running task; goes on as bessemer-task/1", Resource::job,
          Action::exec)),
      upgraded<FilesBody>(stream_route<&copy_files>(
          Method::post, "/api/v1/jobs/{job}/files", "copy_task_files",
          "Copy files out of a running task or into it; goes on as bessemer-task/1",
          Resource::job, Action::exec)),
      upgraded<PortBody>(stream_route<&forward_port>(
          Method::post, "/api/v1/jobs/{job}/connections", "connect_to_task",
          "Connect to a port inside a running task; goes on as bessemer-task/1", Resource::job,
          Action::exec)),
  };
}

}  // namespace bessemer::api

// Jobs, logs, pipelines and events, followed until they end.
#include "application/cli/work.h"

#include <algorithm>

#include "application/cli/apply.h"
#include "application/cli/session.h"
#include "application/cli/transfer.h"
#include "application/http/sse.h"
#include "application/yaml/yaml.h"
#include "base/digest.h"
#include "base/text.h"

namespace bessemer::cli {
namespace {

using Kind = Document::Kind;
constexpr Duration follow_every = milliseconds(500);

bool is_final(std::string_view phase) {
  return phase == "succeeded" || phase == "failed" || phase == "cancelled";
}

// Prints an answer's bytes as they come.
class Printer final : public server::AnswerSink {
 public:
  explicit Printer(Session& session) : session_(session) {}
  Result<void> on_piece(std::string_view piece) override {
    session_.print(piece);
    return {};
  }

 private:
  Session& session_;
};

// A folder to push or a digest already there.
Result<std::string> digest_of_code(Session& session, const std::string& code) {
  if (from_text(std::type_identity<Digest>{}, code)) return code;
  TRY_ASSIGN(const Pushed pushed, push_tree(session, code));
  return to_text(pushed.tree);
}

// Pushes a folder, unless this is only to show what would change.
Result<std::string> digest_of_folder(Session& session, const std::string& folder) {
  if (!session.arguments().has("dry-run")) return digest_of_code(session, folder);
  TRY_ASSIGN(const artifact::Manifest manifest, read_tree(folder));
  return to_text(artifact::digest_of(manifest));
}

Result<Document> job_body(Session& session) {
  TRY_ASSIGN(const Asked asked, ask(session));
  TRY_ASSIGN(Document body, parse_document(asked.body));
  Document command = Document::list();
  for (const std::string& word : session.arguments().rest) {
    command.members.emplace_back("", Document::of(word));
  }
  if (command.members.empty()) {
    return invalid("needs a command").fix("bessemer run [options] -- COMMAND...");
  }
  body.set("command", std::move(command));
  Document inputs = Document::list();
  for (const std::string& text : session.arguments().values("input")) {
    auto input = parse_input(text);
    if (!input) return std::move(input).error().at("--input");
    inputs.members.emplace_back("", *std::move(input));
  }
  if (!inputs.members.empty()) body.set("inputs", std::move(inputs));
  if (const auto code = session.arguments().value("code")) {
    TRY_ASSIGN(std::string digest, digest_of_code(session, *code));
    body.set("code", Document::of(std::move(digest)));
  }
  return body;
}

// How a job ended, in a line; the exit status that says the same.
int tell_end(Session& session, const Document& job) {
  const std::string phase = job.text("phase");
  if (phase == "succeeded") return 0;
  const std::string reason = job.text("reason"), detail = job.text("detail");
  const std::string exit_code = job.text("attempts.-1.tasks.0.exit_code");
  std::string line = "bessemer: the job " + job.text("id") + " " + phase;
  if (!reason.empty()) line += ": " + reason;
  if (reason == "exit_code") line += " " + exit_code;
  if (!detail.empty()) line += " (" + detail + ")";
  session.note(printable(line) + "\nsee: bessemer explain job " + job.text("id") + "\n");
  const auto code = parse_unsigned(exit_code);
  return reason == "exit_code" && code && *code > 0 && *code < 256 ? static_cast<int>(*code) : 1;
}

Result<int> follow_job(Session& session, const std::string& id) {
  TRY_ASSIGN(Remote* const remote, session.remote());
  const std::string target = path_of("/api/v1/jobs/{}", {id});
  std::string said;
  while (true) {
    TRY_ASSIGN(const Document job, remote->get(target));
    const std::string phase = job.text("phase");
    const std::string waiting = job.text(job.text("held").empty() ? "waiting_for" : "held");
    const std::string line = phase + (waiting.empty() ? "" : ": " + waiting);
    if (phase == "running" || is_final(phase)) {
      Printer printer(session);
      // The stream ends when the task has; without output there may be no log at all.
      auto streamed = remote->stream(target + "/logs?follow=true", printer, {});
      if (!streamed && streamed.error().code != Code::not_found) return std::move(streamed).error();
      TRY_ASSIGN(const Document after, remote->get(target));
      if (is_final(after.text("phase"))) return tell_end(session, after);
    } else if (line != said) {
      session.note(printable(line) + "\n");
      said = line;
    }
    if (!session.terminal().pause(follow_every)) {
      session.note("the job goes on; follow it with: bessemer logs -f " + id + "\n");
      return 0;
    }
  }
}

std::string mark_of(std::string_view status) {
  if (status == "succeeded") return "ok";
  if (status == "reused") return "cached";
  return std::string(status);
}

// Defines the pipeline of a file and returns its id.
Result<std::string> define_pipeline(Session& session, const std::string& path) {
  TRY_ASSIGN(const std::string text, read_local_file(path, yaml::max_bytes));
  auto json = yaml::to_json(text);
  if (!json) return std::move(json).error().during("reading " + path);
  TRY_ASSIGN(Document definition, parse_document(*json));
  const std::size_t slash = path.rfind('/');
  TRY(push_folders(session, slash == std::string::npos ? "." : path.substr(0, slash), definition));
  TRY_ASSIGN(std::string project, session.project());
  Document body = Document::object();
  body.set("project", Document::of(std::move(project)));
  body.set("definition", std::move(definition));
  TRY_ASSIGN(Remote* const remote, session.remote());
  auto pipeline = remote->call("PUT", "/api/v1/pipelines", to_json(body, Layout::compact));
  if (!pipeline) return in_file(std::move(pipeline).error(), path, text, 0, "definition.");
  return pipeline->text("id");
}

// Where each step stands, without what changes by time alone.
std::string standing_of(const Document& run) {
  std::string out = run.text("status");
  const Document* const steps = run.find("steps");
  if (steps == nullptr) return out;
  for (const auto& [unnamed, step] : steps->members) {
    out += ' ' + step.text("status") + step.text("attempt") + step.text("note");
  }
  return out;
}

Result<int> follow_run(Session& session, const std::string& id) {
  TRY_ASSIGN(Remote* const remote, session.remote());
  const std::string target = path_of("/api/v1/pipeline-runs/{}", {id});
  const bool redraw = session.terminal().is_interactive();
  std::string before, stood;
  while (true) {
    TRY_ASSIGN(const Document run, remote->get(target));
    const std::string text = render_steps(run, session.terminal().now());
    // A terminal's table is drawn again as time goes by; a log gets a table per change.
    const std::string stands = standing_of(run);
    if (redraw ? text != before : stands != stood) {
      const auto lines = std::count(before.begin(), before.end(), '\n');
      if (redraw && lines > 0) session.print("\x1b[" + std::to_string(lines) + "F\x1b[J");
      session.print(text);
      before = text;
      stood = stands;
    }
    const std::string status = run.text("status");
    if (is_final(status)) return status == "succeeded" ? 0 : 1;
    if (!session.terminal().pause(follow_every)) {
      session.note("the run goes on: bessemer pipeline status " + id + " -w\n");
      return 0;
    }
  }
}

class EventPrinter final : public server::AnswerSink {
 public:
  explicit EventPrinter(Session& session) : session_(session) {}
  Result<void> on_piece(std::string_view piece) override {
    buffer_ += piece;
    http::SseScanner::Event event;
    while (true) {
      const auto step = scanner_.next(buffer_, event);
      if (step == http::SseScanner::Step::refused) return invalid("an event is too long");
      if (step == http::SseScanner::Step::more) return {};
      if (event.has_data) session_.print(printable(event.data) + "\n");
      buffer_.erase(0, event.raw.size());
    }
  }

 private:
  Session& session_;
  std::string buffer_;
  http::SseScanner scanner_;
};

}  // namespace

Result<void> push_folders(Session& session, const std::string& folder, Document& definition) {
  const auto local = [&](const std::string& path) {
    return path.starts_with('/') ? path : folder + "/" + path;
  };
  const std::string code = definition.text("code");
  if (!code.empty() && !from_text(std::type_identity<Digest>{}, code)) {
    TRY_ASSIGN(std::string digest, digest_of_folder(session, local(code)));
    definition.set("code", Document::of(std::move(digest)));
  }
  for (auto& [name, value] : definition.members) {
    if (name != "steps") continue;
    for (auto& [unnamed, step] : value.members) {
      const Document* ingest = step.find("ingest");
      if (ingest == nullptr || ingest->text("from").empty()) continue;
      Document changed = *ingest;
      TRY_ASSIGN(std::string tree, digest_of_folder(session, local(changed.text("from"))));
      std::erase_if(changed.members, [](const auto& member) { return member.first == "from"; });
      changed.set("tree", Document::of(std::move(tree)));
      step.set("ingest", std::move(changed));
    }
  }
  return {};
}

const Noun& workload_noun() {
  static const Noun noun = {
      "job", "id",
      {{"ID", "id"}, {"NAME", "name|spec.name"}, {"PROJECT", "project_path|spec.project"},
       {"KIND", "kind|spec.kind"}, {"PHASE", "phase"},
       {"GPUS", "gpus|spec.resources.gpus", Show::number}, {"AGE", "submitted_at", Show::age},
       {"WHY", "reason|held|waiting_for"}}};
  return noun;
}

std::vector<Option> submit_options() {
  return {
      {"name", 'n', "NAME", "what it is called", As::text, "name"},
      {"gpus", 'g', "COUNT", "accelerators of each task", As::number, "resources.gpus"},
      {"gpu-part", 0, "PART", "a part of one accelerator: 0.25", As::milli, "resources.gpu_milli"},
      {"gpu-model", 0, "MODEL", "only this model", As::text, "resources.gpu_model"},
      {"cpus", 'c', "COUNT", "cores of each task: 0.5", As::milli, "resources.cpu_millis"},
      {"memory", 'm', "SIZE", "of each task: 2GiB", As::bytes, "resources.memory_bytes"},
      {"storage", 0, "SIZE", "of outputs and checkpoints of each task; 16GiB when left out",
       As::bytes, "resources.storage_bytes"},
      {"tasks", 't', "COUNT", "a gang that starts together or not at all", As::number, "tasks"},
      {"code", 0, "FOLDER", "pushed and put at /bessemer/code; or a digest"},
      {"input", 'i', "NAME=WHAT", "dataset:mnist@3, model:digits@champion or a digest",
       As::list, ""},
      {"produce", 0, "NAME", "a folder below /bessemer/outputs to keep", As::list, "outputs"},
      {"param", 's', "NAME=VALUE", "in /bessemer/parameters.json", As::values, "parameters"},
      {"env", 'e', "NAME=VALUE", "an environment variable", As::pairs, "env"},
      {"secret", 0, "NAME", "a secret of the project", As::list, "secrets"},
      {"pool", 0, "POOL", "only here; several in order of preference", As::list, "pools"},
      {"priority", 0, "NUMBER", "higher runs first within a queue", As::number, "priority"},
      {"preemptible", 0, "", "others may take its room", As::flag, "preemptible"},
      {"retries", 0, "COUNT", "further attempts after a failure", As::number, "retries.max"},
      {"max-run-time", 0, "SPAN", "of one attempt: 2h", As::text, "max_run_time"},
      {"grace", 0, "SPAN", "between the notice and the kill: 30s", As::text, "grace"},
      {"network", 0, "WORD", "none or egress", As::text, "network"},
      {"keep-on-failure", 0, "", "keep a failed task's sandbox 30m to look into", As::flag,
       "keep_on_failure"},
      {"no-progress", 0, "SPAN", "stop it when it reports nothing for so long: 10m", As::text,
       "no_progress"},
      {"detach", 'd', "", "do not follow it"},
  };
}

Result<Document> parse_input(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0 || equals + 1 == text.size()) {
    return invalid("must be NAME=WHAT").fix("for example data=dataset:mnist@3");
  }
  const std::string_view what = text.substr(equals + 1);
  Document input = Document::object();
  input.set("name", Document::of(std::string(text.substr(0, equals))));
  if (what.starts_with("model:")) {
    input.set("model", Document::of(std::string(what.substr(6))));
  } else if (what.starts_with("dataset:")) {
    input.set("dataset", Document::of(std::string(what.substr(8))));
  } else if (from_text(std::type_identity<Digest>{}, what)) {
    input.set("artifact", Document::of(std::string(what)));
  } else {
    return invalid("must be dataset:NAME, model:NAME or a digest");
  }
  return input;
}

Result<int> print_stream(Session& session) {
  TRY_ASSIGN(Remote* const remote, session.remote());
  TRY_ASSIGN(const Asked asked, ask(session));
  Printer printer(session);
  TRY(remote->stream(asked.target + query_text(asked.query), printer, seconds(60)));
  return 0;
}

Result<int> submit_job(Session& session) {
  TRY_ASSIGN(const Document body, job_body(session));
  TRY_ASSIGN(Remote* const remote, session.remote());
  const std::string target(session.command().target);
  TRY_ASSIGN(const Document job, remote->call("POST", target, to_json(body, Layout::compact)));
  const bool ends_by_itself = target == "/api/v1/jobs";
  if (session.arguments().has("detach") || !ends_by_itself) {
    TRY(session.show(job));
    return 0;
  }
  session.note(job.text("id") + "\n");
  return follow_job(session, job.text("id"));
}

Result<int> show_logs(Session& session) {
  TRY_ASSIGN(Remote* const remote, session.remote());
  TRY_ASSIGN(const Asked asked, ask(session));
  const Arguments& given = session.arguments();
  Query query = asked.query;
  query.emplace_back("follow", given.has("follow") ? "true" : "");
  query.emplace_back("stream", given.has("errors") ? "stderr" : "");
  Printer printer(session);
  TRY(remote->stream(asked.target + query_text(query), printer,
                     given.has("follow") ? Duration{} : seconds(60)));
  // A log that was followed has ended with its task, or because the reader may go on no more.
  if (given.has("follow")) TRY(remote->get("/api/v1/whoami"));
  return 0;
}

std::string render_steps(const Document& run, Instant now) {
  static const std::vector<Column> columns = {{"STEP", "instance.name|name"},
                                              {"STATUS", "shown"},
                                              {"ATTEMPT", "attempt", Show::number},
                                              {"SINCE", "started_at", Show::age},
                                              {"NOTE", "note|standing"}};
  Document steps = Document::list();
  if (const Document* all = run.find("steps")) steps = *all;
  std::vector<const Document*> rows;
  for (auto& [name, step] : steps.members) {
    step.set("shown", Document::of(mark_of(step.text("status"))));
    if (!name.empty() && step.text("instance.name").empty()) step.set("name", Document::of(name));
    rows.push_back(&step);
  }
  return render_table(columns, rows, now, 0) + run.text("status") + "\n";
}

Result<int> run_pipeline(Session& session) {
  const std::string given = session.arguments().operand(0);
  const bool is_file = given.ends_with(".yaml") || given.ends_with(".yml") ||
                       given.find('/') != std::string::npos;
  TRY_ASSIGN(Remote* const remote, session.remote());
  std::string id = given;
  if (is_file) {
    TRY_ASSIGN(id, define_pipeline(session, given));
  } else {
    TRY_ASSIGN(id, look_up(session, "/api/v1/pipelines", given));
  }
  TRY_ASSIGN(const Asked asked, ask(session));
  TRY_ASSIGN(Document body, parse_document(asked.body.empty() ? "{}" : asked.body));
  if (session.arguments().has("no-cache")) body.set("use_cache", {Kind::boolean, "false", {}});
  TRY_ASSIGN(const Document run, remote->call("POST", path_of("/api/v1/pipelines/{}/runs", {id}),
                                              to_json(body, Layout::compact)));
  if (session.arguments().has("detach")) {
    TRY(session.show(run));
    return 0;
  }
  session.note(run.text("id") + "\n");
  return follow_run(session, run.text("id"));
}

Result<int> show_pipeline_run(Session& session) {
  TRY_ASSIGN(Remote* const remote, session.remote());
  TRY_ASSIGN(const Output how, session.output());
  TRY_ASSIGN(const std::string id, look_up(session, "/api/v1/pipeline-runs",
                                           session.arguments().operand(0)));
  if (session.arguments().has("watch")) return follow_run(session, id);
  TRY_ASSIGN(const Document run, remote->get(path_of("/api/v1/pipeline-runs/{}", {id})));
  if (how == Output::table) session.print(render_steps(run, session.terminal().now()));
  else TRY(session.show(run));
  return 0;
}

Result<int> follow_events(Session& session) {
  TRY_ASSIGN(Remote* const remote, session.remote());
  EventPrinter printer(session);
  TRY(remote->stream("/api/v1/events", printer, {}));
  return 0;
}

}  // namespace bessemer::cli

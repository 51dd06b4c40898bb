// Jobs and services: submitted, listed, cancelled, read and explained.
#include <algorithm>

#include "application/api/network.h"
#include "application/api/page.h"
#include "application/api/tables.h"
#include "application/factory/plan.h"

namespace bessemer::api {
namespace {

using access::Action;
using access::Resource;
using http::Method;

constexpr std::size_t log_piece = 64 * 1024;         // bytes read at a time
constexpr Duration follow_every = milliseconds(100);

struct WorkloadView {
  WorkloadId id;
  std::string project_path;
  std::string name;
  workload::Kind kind = workload::Kind::job;
  workload::Phase phase = workload::Phase::queued;
  std::uint32_t generation = 0;
  std::uint32_t gpus = 0;
  Instant submitted_at;
  std::optional<Instant> finished_at;
  std::optional<workload::Reason> reason;
  std::string detail;
  std::optional<std::string> held;
  std::string waiting_for;  // one sentence while it waits
  PrincipalId submitted_by;
  workload::Spec spec;
  std::vector<workload::Attempt> attempts;
};
DESCRIBE(WorkloadView, id, project_path, name, kind, phase, generation, gpus, submitted_at,
         finished_at, reason, detail, held, waiting_for, submitted_by, spec, attempts)

// One sentence for this caller: names inside what he may see, aggregates outside.
std::string waiting_sentence(Call& call, const workload::Workload& found) {
  const conductor::Wait* const wait = call.services().conductor.why_waits(found.id);
  if (wait == nullptr || found.phase != workload::Phase::queued) return {};
  if (wait->refusal) {
    return "waits: " +
           factory::refusal_for(call.state(), call.caller(), *wait->refusal, call.now());
  }
  if (!wait->verdict) return {};
  const std::string subject = factory::subject_name(call.state(), call.caller(),
                                                    wait->verdict->subject, call.now());
  return scheduler::sentence(*wait->verdict, subject);
}

WorkloadView view_of(Call& call, const workload::Workload& found) {
  WorkloadView view;
  view.id = found.id;
  view.project_path = tenant::path_of(call.state().tenant, found.spec.project);
  view.name = found.spec.name.value_or("");
  view.kind = found.spec.kind.value_or(workload::Kind::job);
  view.phase = found.phase;
  view.generation = found.generation;
  view.gpus = workload::shape_of(found.spec).gpus;
  view.submitted_at = found.submitted_at;
  view.finished_at = found.finished_at;
  view.reason = found.reason;
  view.detail = found.detail;
  view.held = found.held;
  view.waiting_for = waiting_sentence(call, found);
  view.submitted_by = found.submitted_by;
  view.spec = found.spec;
  view.attempts = found.attempts;
  return view;
}

Error is_let_go(WorkloadId id, const workload::Former& former) {
  return not_found(to_text(id) + " " + std::string(enum_text(former.phase)) + " at " +
                   to_text(former.finished_at) + " and was let go: of each project the last " +
                   std::to_string(workload::kept_finished) + " that ended are kept")
      .because("let_go")
      .fix("read its facts where the factory runs: bessemer journal cat | grep " + to_text(id));
}

// The workload named by the part {job}, which the caller may see.
Result<const workload::Workload*> named(Call& call) {
  const auto unknown = [] { return not_found("no such job or service"); };
  const auto id = from_text(std::type_identity<WorkloadId>{}, call.part("job"));
  if (!id) return unknown();
  const workload::Workload* const found = workload::find(call.state().workload, *id);
  const workload::Former* const former = workload::find_former(call.state().workload, *id);
  if (found == nullptr && former == nullptr) return unknown();
  if (auto may = call.permit(found != nullptr ? found->spec.project : former->project); !may) {
    if (may.error().code == Code::not_found) return unknown();
    return std::move(may).error();
  }
  if (found == nullptr) return is_let_go(*id, *former);
  return found;
}

template <workload::Kind kind>
Result<WorkloadView> submit(Call& call, const InProject<workload::Spec>& body) {
  auto project = call.org(body.project);
  if (!project) return std::move(project).error().within("project");
  TRY(call.permit(*project));
  TRY(check_network(call, body.rest.network, "network"));
  if (body.rest.kind.value_or(kind) != kind) {
    return invalid("this path makes a " + std::string(enum_text(kind)))
        .at("kind")
        .fix(kind == workload::Kind::job ? "post services to /api/v1/services"
                                         : "post jobs to /api/v1/jobs");
  }
  workload::Submit submit;
  submit.workload = call.draw<WorkloadId>();
  submit.spec = body.rest;
  submit.spec.project = *project;
  submit.spec.kind = kind;
  // Set by pipelines and deployments alone.
  submit.spec.run.reset();
  submit.spec.pipeline_run.reset();
  submit.spec.step.reset();
  submit.spec.endpoint.reset();
  call.makes("/api/v1/jobs/" + to_text(submit.workload));
  const WorkloadId id = submit.workload;
  TRY(call.submit(workload::Command(std::move(submit))));
  return view_of(call, *workload::find(call.state().workload, id));
}

Result<WorkloadView> get_job(Call& call) {
  TRY_ASSIGN(const workload::Workload* const found, named(call));
  return view_of(call, *found);
}

// Newest last; of one project, or of everything the caller may list.
template <workload::Kind... kinds>
Result<Page<WorkloadView>> list(Call& call) {
  const auto& state = call.state().workload;
  std::vector<const workload::Workload*> all;
  std::optional<workload::Phase> phase;
  if (const auto text = call.query("phase")) {
    phase = enum_from_text<workload::Phase>(*text);
    if (!phase) return invalid("must be one of: " + enum_choices<workload::Phase>()).at("phase");
  }
  const auto take = [&](const workload::Workload& one) {
    const auto kind = one.spec.kind.value_or(workload::Kind::job);
    if (((kind == kinds) || ...) && (!phase || one.phase == *phase)) all.push_back(&one);
  };
  if (const auto path = call.query("project")) {
    TRY_ASSIGN(const OrgId project, call.org(*path));
    TRY(call.permit(project));
    if (const auto of = state.by_project.find(project); of != state.by_project.end()) {
      for (const WorkloadId id : of->second) take(state.workloads.at(id));
    }
  } else {
    call.permit_self();  // what the caller may not see is left out
    for (const auto& [project, ids] : state.by_project) {
      if (!call.may(project, Resource::job, Action::list)) continue;
      for (const WorkloadId id : ids) take(state.workloads.at(id));
    }
    std::ranges::sort(all, {}, &workload::Workload::id);
  }
  return paginate<WorkloadView>(
      call, all, [](const workload::Workload* one) { return to_text(one->id); },
      [&](const workload::Workload* one) { return view_of(call, *one); });
}

struct CancelBody {
  std::optional<std::string> why;
};
DESCRIBE(CancelBody, why)

Result<WorkloadView> cancel_job(Call& call, const CancelBody& body) {
  TRY_ASSIGN(const workload::Workload* const found, named(call));
  const WorkloadId id = found->id;
  TRY(call.submit(workload::Command(workload::Cancel{id, body.why})));
  return view_of(call, *workload::find(call.state().workload, id));
}

struct ExplanationView {
  std::string sentence;
  workload::Phase phase = workload::Phase::queued;
  bool never = false;  // it cannot run here as things are set up
  std::optional<scheduler::Verdict> verdict;
  std::string refusal;
  std::string next;    // what to do
};
DESCRIBE(ExplanationView, sentence, phase, never, verdict, refusal, next)

Result<ExplanationView> explain_job(Call& call) {
  TRY_ASSIGN(const workload::Workload* const found, named(call));
  ExplanationView view;
  view.phase = found->phase;
  view.sentence = workload::sentence(*found);
  const conductor::Wait* const wait = call.services().conductor.why_waits(found->id);
  if (found->phase == workload::Phase::queued && wait != nullptr) {
    view.sentence = waiting_sentence(call, *found);
    if (wait->refusal) {
      view.refusal =
          factory::refusal_for(call.state(), call.caller(), *wait->refusal, call.now());
    }
    view.verdict = wait->verdict;
    view.never = wait->verdict && scheduler::is_never(wait->verdict->why);
    if (view.verdict && view.verdict->subject &&
        !call.may(view.verdict->subject, Resource::org, Action::read)) {
      view.verdict->subject = {};
    }
    view.next = view.never ? "change what it asks for, or ask the operator for such a node"
                           : "wait, ask for less, or ask whoever sets the limit named above";
  } else if (found->phase == workload::Phase::failed) {
    view.next = "see what it printed: bessemer logs " + to_text(found->id) + ", also with --errors";
  }
  return view;
}

// ---- logs

// Sends a log as it grows, until the task has ended and everything is sent.
class Following : public std::enable_shared_from_this<Following> {
 public:
  Following(std::shared_ptr<Call> call, server::Responder responder, WorkloadId workload,
            executor::TaskKey key, Stream stream, std::uint64_t offset)
      : call_(std::move(call)), responder_(std::move(responder)), workload_(workload), key_(key),
        stream_(stream), offset_(offset) {}

  void step() {
    if (responder_.gone()) return;
    if (auto good = call_->still_good(); !good) return end_with(good.error());
    while (true) {
      // Asked before reading, so that what is written in between is read in the next step.
      const bool ended = task_ended();
      const auto piece = call_->services().logs.read(key_, stream_, offset_, log_piece);
      if (piece && !piece->bytes.empty()) {
        offset_ = piece->next;
        const server::Flow flow = responder_.write(piece->bytes);
        if (flow == server::Flow::gone) return;
        if (flow == server::Flow::more) continue;
      } else if (ended) {
        responder_.end();
        return;
      }
      break;
    }
    call_->services().loop.after(follow_every, [self = shared_from_this()] { self->step(); });
  }

 private:
  // The last line of a log that goes on without its reader.
  void end_with(const Error& why) {
    (void)responder_.write("\n[bessemer: this log ends here: " + to_text(why) + "]\n");
    responder_.end();
  }

  bool task_ended() const {
    const workload::Workload* const found = workload::find(call_->state().workload, workload_);
    if (found == nullptr || found->generation != key_.generation) return true;
    const workload::Task* const task = workload::find_task(*found, key_.task);
    return task == nullptr || task->phase == workload::TaskPhase::ended;
  }

  std::shared_ptr<Call> call_;
  server::Responder responder_;
  WorkloadId workload_;
  executor::TaskKey key_;
  Stream stream_;
  std::uint64_t offset_;
};

Result<std::optional<std::uint64_t>> number(const Call& call, std::string_view name) {
  const auto text = call.query(name);
  if (!text) return std::optional<std::uint64_t>();
  const auto value = parse_unsigned(*text);
  if (!value) return invalid("must be a whole number").at(std::string(name));
  return value;
}

Result<void> get_logs(const std::shared_ptr<Call>& call, const server::Responder& responder) {
  TRY_ASSIGN(const workload::Workload* const found, named(*call));
  TRY_ASSIGN(const auto rank, number(*call, "task"));
  TRY_ASSIGN(const auto generation, number(*call, "generation"));
  TRY_ASSIGN(const auto tail, number(*call, "tail"));
  if (rank.value_or(0) >= found->spec.tasks.value_or(1)) {
    return not_found("it has no such task").at("task");
  }
  const std::uint64_t which = generation.value_or(found->generation);
  if (which == 0) return not_found("it has not started, so there is no log yet");
  if (which > found->generation) {
    return not_found("it has had " + std::to_string(found->generation) + " attempts so far")
        .at("generation")
        .fix("leave it out for the last one");
  }
  const executor::TaskKey key{
      workload::task_id(found->id, static_cast<std::uint32_t>(rank.value_or(0))), which};
  const Stream stream = call->query("stream") == "stderr" ? Stream::errors : Stream::output;
  const bool follow = call->query("follow") == "true";
  auto first = call->services().logs.read(key, stream, 0, 0);
  if (!first && !follow) return std::move(first).error();
  std::uint64_t offset = 0;
  if (first && tail && *tail < first->size) offset = first->size - *tail;
  responder.begin(200, "text/plain; charset=utf-8");
  if (follow) {
    std::make_shared<Following>(call, responder, found->id, key, stream, offset)->step();
    return {};
  }
  while (true) {
    const auto piece = call->services().logs.read(key, stream, offset, log_piece);
    if (!piece || piece->bytes.empty()) break;
    offset = piece->next;
    if (responder.write(piece->bytes) == server::Flow::gone) return {};
  }
  responder.end();
  return {};
}

}  // namespace

Table workload_routes() {
  const std::vector<Parameter> filters = with_page(
      {{"project", "path or id of the project"}, {"phase", "only those in this phase"}});
  using workload::Kind;
  Table table = {
      route<&submit<Kind::job>>(Method::post, "/api/v1/jobs", "submit_job", "Submit a job",
                                Resource::job, Action::create),
      route<&list<Kind::job, Kind::service>>(Method::get, "/api/v1/jobs", "list_jobs",
                                             "Jobs and services", Resource::job, Action::list,
                                             filters),
      route<&get_job>(Method::get, "/api/v1/jobs/{job}", "get_job", "One job or service",
                      Resource::job, Action::read),
      route<&cancel_job>(Method::post, "/api/v1/jobs/{job}/cancel", "cancel_job",
                         "End it: notice, grace, then kill", Resource::job, Action::update),
      route<&explain_job>(Method::get, "/api/v1/jobs/{job}/explanation", "explain_job",
                          "Why it waits, or how it ended", Resource::job, Action::read),
      stream_route<&get_logs>(Method::get, "/api/v1/jobs/{job}/logs", "get_logs",
                              "What a task printed", Resource::job, Action::read,
                              {{"task", "rank within the gang; 0 when left out"},
                               {"generation", "which attempt; the last when left out"},
                               {"stream", "stdout or stderr"},
                               {"tail", "only the last so many bytes"},
                               {"follow", "true: go on as it is written"}}),
      route<&submit<Kind::service>>(Method::post, "/api/v1/services", "submit_service",
                                    "Start a service", Resource::service, Action::create),
      route<&list<Kind::service>>(Method::get, "/api/v1/services", "list_services", "Services",
                                  Resource::service, Action::list, filters),
  };
  for (Route& one : table) {
    if (one.operation == "get_logs") one.answer_type = "text/plain";
  }
  return table;
}

}  // namespace bessemer::api

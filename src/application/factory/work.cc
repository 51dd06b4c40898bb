// Jobs and services: submitted, launched, observed. Each attempt holds money before it starts and
// is charged by what its supervisors recorded.
#include <algorithm>

#include "application/factory/charge.h"
#include "application/factory/ladder.h"
#include "application/factory/storage.h"
#include "base/check.h"
#include "compute/site/gang.h"

namespace bessemer::factory {
namespace {

// The exit code of a task that ran well and whose outputs found no room in the project's quota.
constexpr std::int32_t outputs_refused_code = 122;

// Datasets and models by name become the digests of their trees: what the task will see is fixed
// when the workload is accepted.
Result<void> resolve_input(const State& state, OrgId project, workload::Input& input) {
  const auto after_at = [](const std::string& text) {
    const std::size_t at = text.find('@');
    return std::pair(text.substr(0, at),
                     at == std::string::npos ? std::string() : text.substr(at + 1));
  };
  if (input.dataset && !input.artifact) {
    const auto [name, which] = after_at(*input.dataset);
    const dataset::Dataset* const found = dataset::find(state.dataset, project, name);
    if (found == nullptr) {
      return not_found("no dataset '" + name + "' in the project").at("dataset");
    }
    TRY_ASSIGN(const std::uint32_t version, dataset::resolve(*found, which));
    input.artifact = found->versions.at(version).tree;
    input.dataset = name + "@" + std::to_string(version);
  } else if (input.model && !input.artifact) {
    const auto [name, which] = after_at(*input.model);
    const registry::Model* const found = registry::find(state.registry, project, name);
    if (found == nullptr) return not_found("no model '" + name + "' in the project").at("model");
    TRY_ASSIGN(const std::uint32_t version, registry::resolve(*found, which));
    input.artifact = found->versions.at(version).artifact;
    input.model = name + "@" + std::to_string(version);
  }
  if (input.artifact && artifact::find(state.artifact, project, *input.artifact) == nullptr) {
    return not_found("the project has no such artifact").at("artifact");
  }
  return {};
}

Result<void> resolve_spec(const State& state, workload::Spec& spec) {
  for (std::size_t i = 0; i < spec.inputs.size(); ++i) {
    auto done = resolve_input(state, spec.project, spec.inputs[i]);
    if (!done) return std::move(done).error().within("inputs[" + std::to_string(i) + "]");
  }
  if (spec.code && artifact::find(state.artifact, spec.project, *spec.code) == nullptr) {
    return not_found("the project has no such artifact").at("code").fix("push the code first");
  }
  for (const std::string& name : spec.secrets) {
    if (secret::find(state.secret, spec.project, name) == nullptr) {
      return not_found("no secret '" + name + "' in the project").at("secrets");
    }
  }
  return {};
}

// Holds on the artifacts a workload needs while it is not over.
Result<void> refer_inputs(const State& state, const workload::Spec& spec, WorkloadId id,
                          Batch& batch, const Context& context) {
  std::set<Digest> digests;
  if (spec.code) digests.insert(*spec.code);
  for (const workload::Input& input : spec.inputs) {
    if (input.artifact) digests.insert(*input.artifact);
  }
  for (const Digest& digest : digests) {
    ADD(batch, artifact::judge(state.artifact,
                               artifact::Command(artifact::Refer{
                                   spec.project, digest, artifact::reference_of(id)}),
                               context));
  }
  return {};
}

Result<void> release_inputs(const State& state, const workload::Workload& workload, Batch& batch,
                            const Context& context) {
  const std::string reference = artifact::reference_of(workload.id);
  std::set<Digest> digests;
  if (workload.spec.code) digests.insert(*workload.spec.code);
  for (const workload::Input& input : workload.spec.inputs) {
    if (input.artifact) digests.insert(*input.artifact);
  }
  for (const Digest& digest : digests) {
    const auto* held = artifact::find(state.artifact, workload.spec.project, digest);
    if (held == nullptr || !held->references.contains(reference)) continue;
    ADD(batch, artifact::judge(state.artifact,
                               artifact::Command(artifact::Release{workload.spec.project, digest,
                                                                   reference}),
                               context));
  }
  return {};
}

// A workload feeds no run but the one that is begun for it: numbers in somebody else's would pass
// its gates and be compared with its own.
Result<void> check_run(const State& state, const workload::Submit& submit,
                       const run::Start* begun) {
  if (!submit.spec.run) return {};
  const auto is_its_own = [&](RunId id, WorkloadId workload, OrgId project) {
    return id == *submit.spec.run && workload == submit.workload &&
           project == submit.spec.project;
  };
  if (begun != nullptr && is_its_own(begun->id, begun->workload, begun->project)) return {};
  const run::Run* const there = run::find(state.run, *submit.spec.run);
  if (there != nullptr && is_its_own(there->id, there->workload, there->project)) return {};
  return invalid("must be a run that is begun for this job").at("run").fix(
      "leave it out: a pipeline's steps have runs of their own");
}

const workload::Finished* finish_in(const std::vector<workload::Event>& events) {
  for (const workload::Event& event : events) {
    if (const auto* finished = std::get_if<workload::Finished>(&event)) return finished;
  }
  return nullptr;
}

// What has ended has ended, whatever is wrong with the numbers that it left or with the words about
// it: those are left out then. A run that is not the workload's stays as it is.
std::vector<run::Event> finish_run(const State& state, const workload::Workload& workload,
                                   run::Finish finish, const Context& context) {
  const run::Run* const own = run::find(state.run, workload.id);
  if (own == nullptr || own->id != finish.run) return {};
  auto events = run::judge(state.run, run::Command(finish), context);
  if (!events) {
    finish.reason.clear();
    finish.metrics.clear();
    events = run::judge(state.run, run::Command(finish), context);
  }
  return events ? *std::move(events) : std::vector<run::Event>{};
}

// A run ends as its workload does.
std::vector<run::Event> end_run(const State& state, const workload::Workload& workload,
                                run::Finish finish, const workload::Finished& end,
                                const Context& context) {
  finish.status = end.phase == workload::Phase::succeeded   ? run::Status::succeeded
                  : end.phase == workload::Phase::cancelled ? run::Status::cancelled
                                                            : run::Status::failed;
  if (finish.status != run::Status::succeeded) finish.reason = end.detail;
  return finish_run(state, workload, std::move(finish), context);
}

// What the end of a workload ends elsewhere.
Result<void> end_elsewhere(const State& state, const workload::Workload& workload,
                           const std::vector<workload::Event>& events, Batch& batch,
                           const Context& context) {
  const workload::Finished* const finished = finish_in(events);
  if (finished == nullptr) return {};
  TRY(release_inputs(state, workload, batch, context));
  if (deployment::of_workload(state.deployment, workload.id) != nullptr) {
    ADD(batch, deployment::judge(state.deployment,
                                 deployment::Command(deployment::ReportGone{
                                     workload.id, std::string(enum_text(finished->reason)) +
                                                      (finished->detail.empty() ? "" : ": ") +
                                                      finished->detail}),
                                 context));
  }
  return {};
}

// Closes the charges of one task and, with the attempt's last task, its hold. Where the clock has
// stepped back, what was posted too far comes back.
Result<void> settle_task(const State& state, const workload::Workload& workload,
                         const workload::Task& task, bool last, Batch& batch,
                         const Context& context) {
  TRY_ASSIGN(auto ended,
             metering::judge(state.metering, state.pricing,
                             metering::Command(metering::End{to_text(task.placement.allocation),
                                                             context.occurred_at}),
                             context));
  const workload::Attempt* const attempt = workload.last();
  Metered metered{attempt == nullptr ? HoldId{} : attempt->hold, spender_of(state, workload),
                  postings_of(ended), last};
  add(batch, std::move(ended));
  return book(state, {std::move(metered)}, batch, context);
}

// The artifacts that a task leaves, referred to by its run.
Result<void> keep_outputs(const State& state, const workload::Workload& workload,
                          const std::vector<workload::Product>& products, Batch& batch,
                          const Context& context) {
  std::vector<artifact::Publish> publishes;
  for (const workload::Product& product : products) {
    artifact::Publish publish;
    publish.project = workload.spec.project;
    publish.digest = product.artifact;
    publish.kind = artifact::Kind::output;
    publish.bytes = product.bytes;
    publish.files = product.files;
    if (workload.spec.run) publish.reference = artifact::reference_of(*workload.spec.run);
    publishes.push_back(std::move(publish));
  }
  return publish_all(state, std::move(publishes), batch, context);
}

// What a full disk still takes.
bool ends_something(const workload::Command& command) {
  return std::holds_alternative<workload::Cancel>(command) ||
         std::holds_alternative<workload::RequestStop>(command) ||
         std::holds_alternative<workload::Expire>(command);
}

bool is_last_task(const workload::Attempt& attempt, TaskId task) {
  return std::ranges::all_of(attempt.tasks, [&](const workload::Task& other) {
    return other.id == task || other.phase == workload::TaskPhase::ended;
  });
}

}  // namespace

Result<Batch> judge_submit(const State& state, workload::Submit submit, const run::Start* begun,
                           const Context& context) {
  Batch batch;
  TRY_ASSIGN(const tenant::Node* const node, tenant::open_node(state.tenant, submit.spec.project));
  if (node->kind != tenant::Kind::project) {
    return invalid("jobs and services belong to a project")
        .at("project")
        .fix("name one: bessemer org list");
  }
  TRY(check_run(state, submit, begun));
  TRY_ASSIGN(submit.spec, workload::complete(std::move(submit.spec)));
  TRY(resolve_spec(state, submit.spec));
  ADD(batch, workload::judge(state.workload, workload::Command(submit), context));
  if (!batch.events.empty()) {
    TRY(refer_inputs(state, submit.spec, submit.workload, batch, context));
  }
  return batch;
}

Result<Batch> judge_workload(const State& state, const workload::Command& command,
                             const Context& context) {
  if (const auto* submit = std::get_if<workload::Submit>(&command)) {
    return judge_submit(state, *submit, nullptr, context);
  }
  Batch batch;
  if (ends_something(command)) batch.purpose = journal::Purpose::closing;
  TRY_ASSIGN(auto events, workload::judge(state.workload, command, context));
  // A queued workload that is cancelled or expires ends without a task ever reporting.
  const auto target = std::visit([](const auto& c) { return c.workload; }, command);
  const workload::Workload* const found = workload::find(state.workload, target);
  const std::vector<workload::Event> copy = events;
  add(batch, std::move(events));
  if (found != nullptr) TRY(end_elsewhere(state, *found, copy, batch, context));
  if (found != nullptr && finish_in(copy) != nullptr && found->spec.run) {
    run::Finish finish;
    finish.run = *found->spec.run;
    finish.status = run::Status::cancelled;
    finish.reason = "ended before it started";
    add(batch, finish_run(state, *found, std::move(finish), context));
  }
  return batch;
}

Result<Spend> spend_of_launch(const State& state, const workload::Workload& workload,
                              const Launch& launch, Instant now) {
  const OrgId tenant = tenant::tenant_of(state.tenant, workload.spec.project);
  Spend spend;
  for (const workload::Placement& placement : launch.placements) {
    if (site::find(state.site, placement.node) == nullptr) return not_found("no such node");
    const auto levels = levels_of(state, workload.spec, placement);
    TRY(check_priced(state, tenant, levels, now));
    TRY_ASSIGN(const Spend one, spend_for(state, tenant, levels, paid_quantum + paid_margin, now));
    for (const auto& [currency, nano] : one.money) spend.money[currency] += nano;
    spend.gpu_time += one.gpu_time;
  }
  return spend;
}

Result<Batch> judge_launch(const State& state, const Launch& launch, const Context& context) {
  const workload::Workload* const found = workload::find(state.workload, launch.workload);
  if (found == nullptr) return not_found("no such workload");
  TRY(tenant::open_node(state.tenant, found->spec.project));
  const OrgId tenant = tenant::tenant_of(state.tenant, found->spec.project);
  TRY(check_wallet(state, tenant, context.now));
  TRY_ASSIGN(const Spend spend, spend_of_launch(state, *found, launch, context.now));
  Batch batch;
  workload::Start start;
  start.workload = launch.workload;
  const bool of_former_life = found->submitted_at <= state.life.restored_at;
  start.generation =
      std::max(found->generation, of_former_life ? state.life.floor : 0) + 1;
  start.placements = launch.placements;
  const budget::Spender spender = spender_of(state, *found);
  if (!budget::matching(state.budget, spender).empty()) {
    ADD(batch, budget::judge(state.budget,
                             budget::Command(budget::Reserve{launch.hold, spender,
                                                             class_of(*found), spend}),
                             context));
    start.hold = launch.hold;
  }
  if (start.hold || wallet_of(state, tenant, context.now) != nullptr) {
    start.paid_until = context.now + paid_quantum;
  }
  ADD(batch, workload::judge(state.workload, workload::Command(start), context));
  const workload::Shape shape = workload::shape_of(found->spec);
  std::vector<site::Allocate> gang;
  for (std::size_t rank = 0; rank < launch.placements.size(); ++rank) {
    const workload::Placement& placement = launch.placements[rank];
    site::Allocate allocate;
    allocate.allocation = placement.allocation;
    allocate.workload = launch.workload;
    allocate.task = workload::task_id(launch.workload, static_cast<std::uint32_t>(rank));
    allocate.generation = start.generation;
    allocate.node = placement.node;
    allocate.cpu_millis = shape.cpu_millis;
    allocate.memory_bytes = shape.memory_bytes;
    for (const workload::Share& share : placement.accelerators) {
      allocate.accelerators.push_back({share.index, share.milli});
    }
    gang.push_back(std::move(allocate));
  }
  ADD(batch, site::judge_gang(state.site, gang, context));
  return batch;
}

Result<Batch> judge_started(const State& state, const TaskStarted& started,
                            const Context& context) {
  Batch batch;
  batch.purpose = journal::Purpose::closing;
  ADD(batch, workload::judge(state.workload,
                             workload::Command(workload::ReportStarted{
                                 started.workload, started.task, started.generation}),
                             context));
  if (batch.events.empty()) return batch;
  const workload::Workload* const found = workload::find(state.workload, started.workload);
  const workload::Task* const task = workload::find_task(*found, started.task);
  check(task != nullptr, "a started task is not in its attempt");
  metering::Begin begin;
  begin.interval = to_text(task->placement.allocation);
  begin.payer = payer_of(state, *found);
  begin.subject = subject_of_workload(state, *found);
  begin.levels = levels_of(state, found->spec, task->placement);
  begin.at = context.occurred_at;
  if (metering::find(state.metering, begin.payer.tenant) == nullptr) return batch;
  ADD(batch, metering::judge(state.metering, state.pricing, metering::Command(begin), context));
  return batch;
}

Result<Batch> judge_exited(const State& state, const TaskExited& exited, const Context& context) {
  workload::ReportExited report = exited.report;
  Batch batch;
  batch.purpose = journal::Purpose::closing;
  const workload::Workload* const found = workload::find(state.workload, report.workload);
  if (found == nullptr) return not_found("no such workload");
  Batch outputs;
  if (auto kept = keep_outputs(state, *found, report.outputs, outputs, context); !kept) {
    report.outputs.clear();
    report.reason = workload::Reason::exit_code;
    report.exit_code = outputs_refused_code;
    report.detail = "its outputs were not kept: " + to_text(kept.error());
    outputs = {};
  }
  TRY_ASSIGN(auto events, workload::judge(state.workload, workload::Command(report), context));
  if (events.empty()) return batch;
  batch.events = std::move(outputs.events);
  const workload::Task* const task = workload::find_task(*found, report.task);
  check(task != nullptr && found->last() != nullptr, "an ended task is not in its attempt");
  const std::vector<workload::Event> copy = events;
  add(batch, std::move(events));
  const bool last = is_last_task(*found->last(), report.task);
  TRY(settle_task(state, *found, *task, last, batch, context));
  ADD(batch, site::judge(state.site,
                         site::Command(site::Release{task->placement.allocation}), context));
  if (const workload::Finished* const end = finish_in(copy); end != nullptr && exited.run) {
    add(batch, end_run(state, *found, *exited.run, *end, context));
  }
  TRY(end_elsewhere(state, *found, copy, batch, context));
  return batch;
}

}  // namespace bessemer::factory

// Experiment runs: they begin once, end once, and say what they were.
#include "data/run/run.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/codec.h"

namespace bessemer::run {
namespace {

constexpr OrgId project{1, 1};
constexpr RunId first{2, 1}, second{2, 2}, third{2, 3};
const Digest bytes = sha256("bytes");

std::string go(State& state, const Command& command, std::int64_t second_of_day = 1) {
  Context context;
  context.now = context.occurred_at = Instant{second_of_day * 1'000'000'000};
  const auto events = judge(state, command, context);
  if (!events) return to_text(events.error());
  for (const Event& event : *events) apply(state, event, context);
  return events->empty() ? "already" : "";
}

Start start(RunId id) {
  Start command;
  command.id = id;
  command.project = project;
  command.experiment = "language";
  return command;
}

Finish finish(RunId id, double loss) {
  Finish command;
  command.run = id;
  command.metrics["loss"] = Summary{3, loss, loss - 1, loss + 1, 30, 20, 10, 0};
  return command;
}

TEST(Run, OneRequestFromInvalidToAccepted) {
  State state;
  Start command;
  EXPECT_EQ(go(state, command), "id: is required");
  command.id = first;
  EXPECT_EQ(go(state, command), "project: is required");
  command.project = project;
  EXPECT_EQ(go(state, command), "experiment: must not be empty");
  command.experiment = "language";
  command.parameters.text = "[1]";
  EXPECT_EQ(go(state, command), "parameters: must be an object");
  command.parameters.text = "{\"a\":";
  EXPECT_NE(go(state, command).find("parameters"), std::string::npos);
  command.parameters.text = "{\"a\":\"" + std::string(max_parameters_bytes, 'x') + "\"}";
  EXPECT_EQ(go(state, command), "parameters: must be at most 64 KiB of JSON");
  command.parameters.text = "{\"rate\":0.1}";
  command.inputs = {{"data", Digest{}, {}, 0, {}, 0, {}}};
  EXPECT_EQ(go(state, command), "inputs: data has no digest");
  command.inputs[0].digest = bytes;
  command.inputs.push_back(command.inputs[0]);
  EXPECT_EQ(go(state, command), "inputs: data is there twice");
  command.inputs.pop_back();
  command.workload = WorkloadId{3, 3};
  EXPECT_EQ(go(state, command), "");
  EXPECT_EQ(go(state, command), "already");
  EXPECT_EQ(find(state, WorkloadId{3, 3})->id, first);
  command.name = "other";
  EXPECT_EQ(go(state, command), "id: is in use by another run");
  command.id = second;
  EXPECT_EQ(go(state, command), "workload: has a run already");
}

TEST(Run, EndsOnce) {
  State state;
  ASSERT_EQ(go(state, start(first)), "");
  EXPECT_EQ(go(state, Delete{first}), "run: the run is still running; cancel its job first");
  EXPECT_EQ(go(state, AddOutput{first, {"model", bytes, 10, 1}}), "");
  EXPECT_EQ(go(state, AddOutput{first, {"model", bytes, 10, 1}}), "already");
  EXPECT_EQ(go(state, AddOutput{first, {"model", Digest{}, 10, 1}}),
            "output.digest: is required");
  Finish over = finish(first, 2.0);
  over.status = Status::running;
  EXPECT_EQ(go(state, over), "status: must be succeeded, failed or cancelled");
  over.status = Status::failed;
  over.metrics["nan"] = Summary{1, std::numeric_limits<double>::quiet_NaN(), 0, 0, 0, 0, 0, 0};
  EXPECT_EQ(go(state, over), "metrics.nan: must be finite");
  over.metrics.erase("nan");
  over.reason = "out of memory";
  EXPECT_EQ(go(state, over, 9), "");
  EXPECT_EQ(go(state, over), "already");
  EXPECT_EQ(find(state, first)->ended_at, Instant{9'000'000'000});
  over.status = Status::succeeded;
  EXPECT_EQ(go(state, over), "run: the run is over: failed");
  EXPECT_EQ(go(state, AddOutput{first, {"late", bytes, 10, 1}}), "run: the run is over");
  EXPECT_EQ(go(state, AddOutput{first, {"model", bytes, 10, 1}}), "already");
  EXPECT_EQ(*codec::decode<State>(codec::encode(state)), state);
  EXPECT_EQ(go(state, Delete{first}), "");
  EXPECT_EQ(state, State{});
}

TEST(Run, ListsNewestFirstAndFindsTheBest) {
  State state;
  int second_of_day = 0;
  for (const auto& [id, loss] : {std::pair{first, 2.0}, {second, 1.0}, {third, 3.0}}) {
    Start command = start(id);
    command.goals["loss"] = Goal::minimise;
    ASSERT_EQ(go(state, command, ++second_of_day), "");
    ASSERT_EQ(go(state, finish(id, loss), second_of_day), "");
  }
  const auto runs = list(state, project, "language");
  ASSERT_EQ(runs.size(), 3u);
  EXPECT_EQ(runs.front()->id, third);
  EXPECT_EQ(list(state, project, "").size(), 3u);
  EXPECT_EQ(list(state, project, "vision").size(), 0u);
  EXPECT_EQ(best(state, project, "language", "loss", Goal::minimise)->id, second);
  EXPECT_EQ(best(state, project, "language", "loss", Goal::maximise)->id, third);
  EXPECT_EQ(best(state, project, "language", "accuracy", Goal::maximise), nullptr);
  EXPECT_EQ(best_value(*find(state, first), "loss"), 1.0);
  EXPECT_EQ(best_value(*find(state, first), "accuracy"), std::nullopt);
}

}  // namespace
}  // namespace bessemer::run

// One request, walked from refused to accepted, and what is meant where it says nothing.
#include "orchestration/workload/spec.h"

#include <gtest/gtest.h>

#include "base/codec.h"

namespace bessemer::workload {
namespace {

Spec minimal() {
  Spec spec;
  spec.project = OrgId{1, 1};
  spec.command = {"python3", "train.py"};
  return spec;
}

std::string refusal(const Spec& spec) {
  const auto done = complete(spec);
  return done ? "accepted" : to_text(done.error());
}

TEST(Spec, DefaultsAreFilledIn) {
  const auto done = complete(minimal());
  ASSERT_TRUE(done);
  EXPECT_EQ(*done->kind, Kind::job);
  EXPECT_EQ(*done->name, "job");
  EXPECT_EQ(*done->tasks, 1u);
  EXPECT_TRUE(*done->preemptible);
  EXPECT_EQ(*done->grace, defaults::grace);
  EXPECT_EQ(*done->environment, "host");
  EXPECT_EQ(*done->network, Network::none);
  EXPECT_FALSE(done->isolation) << "the factory's policy decides";
  EXPECT_EQ(*done->retries->max, 3u);
  EXPECT_EQ(done->retries->on, (std::set{Reason::lost, Reason::start_failed}));
  EXPECT_EQ(shape_of(*done), (Shape{0, 0, "", 1'000, 1ull << 30}));
  EXPECT_EQ(*done->resources->storage_bytes, 16ull << 30) << "the journal's disk is not its own";
  EXPECT_EQ(*complete(*done), *done) << "completing again changes nothing";
  EXPECT_EQ(*codec::decode<Spec>(codec::encode(*done)), *done);
  EXPECT_EQ(*json::read<Spec>(json::write(*done)), *done);
}

TEST(Spec, AServiceHasOneTaskAndAPort) {
  Spec spec = minimal();
  spec.kind = Kind::service;
  EXPECT_EQ(refusal(spec), "service: is required for a service");
  spec.service = Port{};
  EXPECT_EQ(refusal(spec), "service.port: must be 1 to 65535");
  spec.service->port = 8'000;
  spec.service->health_path = "health";
  EXPECT_EQ(refusal(spec),
            "service.health_path: must start with / and be at most 256 printable characters");
  spec.service->health_path = "/a\r\nb";
  EXPECT_NE(refusal(spec), "accepted");
  spec.service->health_path.reset();
  spec.tasks = 2;
  EXPECT_EQ(refusal(spec), "tasks: a service has one task; declare replicas of an endpoint");
  spec.tasks.reset();
  const auto done = complete(spec);
  ASSERT_TRUE(done);
  EXPECT_EQ(*done->service->health_path, "/health");
  EXPECT_EQ(*done->retries->max, 0u) << "its endpoint replaces it";
  EXPECT_FALSE(*done->preemptible);
  spec.kind = Kind::job;
  EXPECT_EQ(refusal(spec), "service: is only for workloads of kind service");
}

TEST(Spec, EveryFieldHasItsRefusal) {
  struct Row { void (*change)(Spec&); const char* refusal; };
  const Row rows[] = {
      {[](Spec& s) { s.project = {}; }, "project: is required"},
      {[](Spec& s) { s.name = "A b"; }, "name: "},
      {[](Spec& s) { s.command.clear(); }, "command: must not be empty"},
      {[](Spec& s) { s.command = {""}; }, "command[0]: must name a program"},
      {[](Spec& s) { s.command[1].push_back('\0'); }, "command[1]: must not hold a NUL"},
      {[](Spec& s) { s.command.assign(1'025, "x"); },
       "command: must have at most 1024 elements; put them into a file"},
      {[](Spec& s) { s.command[1].assign(200'000, 'x'); }, "command: must be at most 131072"},
      {[](Spec& s) { s.env["9"] = ""; }, "env.9: must be a name of letters"},
      {[](Spec& s) { s.env["BESSEMER_JOB"] = ""; }, "env.BESSEMER_JOB: names that start"},
      {[](Spec& s) { s.env["A"] = std::string(200'000, 'x'); }, "env: must be at most"},
      {[](Spec& s) { s.inputs = {{"data", {}, {}, {}}}; }, "inputs[0]: must have one of"},
      {[](Spec& s) { s.inputs = {{"../x", {}, "mnist", {}}}; }, "inputs[0]: "},
      {[](Spec& s) { s.inputs = {{"d", {}, "m", {}}, {"d", {}, "m", {}}}; },
       "inputs[1]: is given twice"},
      {[](Spec& s) { s.inputs = {{"d", {}, "m", "n"}}; }, "inputs[0]: must have one of"},
      {[](Spec& s) { s.inputs = {{"d", sha256("x"), "m", {}}}; }, "accepted"},
      {[](Spec& s) { s.outputs = {"a", "a"}; }, "outputs[1]: is given twice"},
      {[](Spec& s) { s.parameters = json::Raw{"[1]"}; }, "parameters: must be an object"},
      {[](Spec& s) { s.parameters = json::Raw{"{"}; }, "parameters: "},
      {[](Spec& s) { s.parameters = json::Raw{"{\"lr\":1e-3}"}; }, "accepted"},
      {[](Spec& s) { s.resources = Resources{65, {}, {}, {}, {}, {}, {}}; }, "resources.gpus: "},
      {[](Spec& s) { s.resources = Resources{1, 500, {}, {}, {}, {}, {}}; },
       "resources.gpu_milli: cannot be given together"},
      {[](Spec& s) { s.resources = Resources{{}, 1'000, {}, {}, {}, {}, {}}; },
       "resources.gpu_milli: must be between 1 and 999"},
      {[](Spec& s) { s.resources = Resources{{}, {}, "H200", {}, {}, {}, {}}; },
       "resources.gpu_model: means nothing without gpus"},
      {[](Spec& s) { s.resources = Resources{{}, {}, {}, 0, {}, {}, {}}; },
       "resources.cpu_millis: "},
      {[](Spec& s) { s.resources = Resources{{}, {}, {}, {}, 1, {}, {}}; },
       "resources.memory_bytes: "},
      {[](Spec& s) { s.resources = Resources{{}, {}, {}, {}, {}, 2ull << 30, {}}; },
       "resources.scratch_bytes: must be at most memory_bytes"},
      {[](Spec& s) { s.tasks = 0; }, "tasks: must be between 1 and 4096"},
      {[](Spec& s) { s.pools = {"a", "a"}; }, "pools[1]: is given twice"},
      {[](Spec& s) { s.priority = 1'001; }, "priority: must be between -1000 and 1000"},
      {[](Spec& s) { s.retries = Retries{101, {}, {}, {}}; }, "retries.max: "},
      {[](Spec& s) { s.retries = Retries{1, {Reason::cancelled}, {}, {}}; },
       "retries.on: cancelled is never a reason to retry"},
      {[](Spec& s) { s.retries = Retries{1, {}, seconds(9), seconds(5)}; },
       "retries.max_backoff: must be between 9s and 1d"},
      {[](Spec& s) { s.max_run_time = Duration{}; }, "max_run_time: must be between 1s and 366d"},
      {[](Spec& s) { s.grace = hours(2); }, "grace: must be between 0s and 1h"},
      {[](Spec& s) { s.environment = "ubuntu"; },
       "environment: is not an environment of this factory; use \"host\""},
      {[](Spec& s) { s.secrets = {"a/b"}; }, "secrets[0]: "},
      {[](Spec& s) { s.labels["team"] = std::string(257, 'x'); }, "labels.team: must be at most"},
  };
  EXPECT_EQ(refusal(minimal()), "accepted");
  for (const Row& row : rows) {
    Spec spec = minimal();
    row.change(spec);
    const std::string said = refusal(spec);
    EXPECT_TRUE(said.starts_with(row.refusal)) << said << " instead of " << row.refusal;
  }
}

}  // namespace
}  // namespace bessemer::workload

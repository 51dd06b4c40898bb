// One spec, walked from refused to accepted; and its binary form.
#include "compute/executor/executor.h"

#include <gtest/gtest.h>

#include "base/codec.h"

namespace bessemer::executor {
namespace {

TaskSpec good() {
  TaskSpec spec;
  spec.key = {make_id<TaskTag>(Instant{1'700'000'000'000'000'000}, 1, 2), 1};
  spec.argv = {"/bin/true"};
  return spec;
}

struct Refusal {
  const char* field;
  void (*spoil)(TaskSpec&);
};

TEST(CheckSpec, NamesTheFieldOfEachRefusal) {
  const Refusal table[] = {
      {"key.task", [](TaskSpec& s) { s.key.task = {}; }},
      {"key.generation", [](TaskSpec& s) { s.key.generation = 0; }},
      {"argv", [](TaskSpec& s) { s.argv.clear(); }},
      {"argv", [](TaskSpec& s) { s.argv = {""}; }},
      {"argv", [](TaskSpec& s) { s.argv.assign(1025, "x"); }},
      {"argv", [](TaskSpec& s) { s.argv.push_back(std::string(300 << 10, 'x')); }},
      {"argv", [](TaskSpec& s) { s.argv.push_back(std::string("a\0b", 3)); }},
      {"environment", [](TaskSpec& s) { s.environment["A=B"] = "c"; }},
      {"environment", [](TaskSpec& s) { s.environment[""] = "c"; }},
      {"inputs", [](TaskSpec& s) { s.inputs = {{"..", "/x"}}; }},
      {"inputs", [](TaskSpec& s) { s.inputs = {{"a/b", "/x"}}; }},
      {"inputs", [](TaskSpec& s) { s.inputs = {{"a", "x"}}; }},
      {"inputs", [](TaskSpec& s) { s.inputs = {{"a", "/x"}, {"a", "/y"}}; }},
      {"output_names", [](TaskSpec& s) { s.output_names = {"../model"}; }},
      {"code", [](TaskSpec& s) { s.code = "relative"; }},
      {"checkpoints", [](TaskSpec& s) { s.checkpoints = "relative"; }},
      {"grace", [](TaskSpec& s) { s.grace = seconds(-1); }},
      {"grace", [](TaskSpec& s) { s.grace = hours(2); }},
      {"service_port", [](TaskSpec& s) { s.service_port = 0; }},
      {"resources.log_bytes", [](TaskSpec& s) { s.resources.log_bytes = 1; }},
  };
  for (const auto& row : table) {
    TaskSpec spec = good();
    row.spoil(spec);
    const auto checked = check_spec(spec, {});
    ASSERT_FALSE(checked.has_value()) << row.field;
    EXPECT_EQ(checked.error().code, Code::invalid);
    EXPECT_EQ(checked.error().field, row.field);
  }
  EXPECT_TRUE(check_spec(good(), {}).has_value());
}

TEST(CheckSpec, BoundsSecrets) {
  const std::vector<TaskSecret> twice = {{"token", Secret("a")}, {"token", Secret("b")}};
  EXPECT_EQ(check_spec(good(), twice).error().field, "secrets");
  const std::vector<TaskSecret> escaping = {{"../etc", Secret("a")}};
  EXPECT_EQ(check_spec(good(), escaping).error().field, "secrets");
  const std::vector<TaskSecret> large = {{"t", Secret(std::string((64 << 10) + 1, 'x'))}};
  EXPECT_EQ(check_spec(good(), large).error().field, "secrets");
}

TEST(Report, KeepsItsContentThroughTheCodec) {
  Report report;
  report.key = good().key;
  report.occurred_at = Instant{5};
  report.spool = 9;
  report.what = Metrics{.step = 3, .values = {{"loss", 0.25}}};
  const auto back = codec::decode<Report>(codec::encode(report));
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(*back, report);
}

}  // namespace
}  // namespace bessemer::executor

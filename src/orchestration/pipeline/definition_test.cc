// What is known to be wrong with a definition before it runs.
#include "orchestration/pipeline/definition.h"

#include <gtest/gtest.h>

#include "base/digest.h"
#include "base/json.h"
#include "base/random.h"
#include "orchestration/pipeline/instances.h"

namespace bessemer::pipeline {
namespace {

const std::string tree = to_text(sha256("tree"));

// A definition from JSON with ' for ".
Definition read(std::string text) {
  for (char& c : text) {
    if (c == '\'') c = '"';
  }
  auto definition = json::read<Definition>(text);
  EXPECT_TRUE(definition) << to_text(definition.error()) << "\n" << text;
  return definition ? *definition : Definition{};
}

std::string whole(const std::string& steps, const std::string& parameters = "") {
  return "{'name':'line','parameters':{" + parameters + "},'steps':[" + steps + "]}";
}
const std::string job = "'job':{'command':['x'],'outputs':['model']}";
const std::string train = "{'name':'train'," + job + "}";
const std::string fanned = "{'name':'fan','matrix':{'seed':[1,2]}," + job + "}";

std::string refusal(const std::string& steps, const std::string& parameters = "") {
  const auto fits = check_definition(read(whole(steps, parameters)));
  return fits ? "" : to_text(fits.error());
}

TEST(Definition, AWholeLineIsAccepted) {
  EXPECT_EQ(refusal(
                "{'name':'data','ingest':{'dataset':'kjv','tree':'" + tree + "'}},"
                "{'name':'train','job':{'command':['t','--n=${params.steps}'],'inputs':{'data':"
                "'${steps.data.outputs.dataset}'},'outputs':['model'],'parameters':{'n':"
                "'${params.steps}'},'goals':{'loss':'minimise'}}},"
                "{'name':'eval','job':{'command':['e'],'inputs':{'m':"
                "'${steps.train.outputs.model}'}}},"
                "{'name':'good','gate':{'of':'eval','champion':'kjv','require':['acc >= 0.5',"
                "'loss < champion.loss * params.slack']}},"
                "{'name':'reg','needs':['good'],'register':{'model':'kjv','from':"
                "'${steps.train.outputs.model}','format':'gguf','evaluations':['eval'],"
                "'aliases':['champion']}},"
                "{'name':'serve','deploy':{'endpoint':'kjv','model':'${steps.reg.outputs.model}',"
                "'workload':{}}}",
                "'steps':3,'slack':1.05"),
            "");
}

TEST(Definition, NamesWhatIsWrong) {
  struct Case { std::string steps; const char* says; };
  const Case cases[] = {
      {"", "steps: must hold at least one step"},
      {"{'name':'Train'," + job + "}", "steps[0].name: must start and end with a-z or 0-9"},
      {"{'name':'a.b'," + job + "}", "steps[0].name: must hold no dot"},
      {"{'name':'champion'," + job + "}", "steps[0].name: champion has a meaning of its own"},
      {"{'name':'a'}", "steps[0]: has 0 kinds; give exactly one of"},
      {"{'name':'a'," + job + ",'gate':{'require':['x>1']}}", "steps[0]: has 2 kinds"},
      {train + "," + train, "steps[1].name: train is there twice"},
      {"{'name':'a','needs':['b']," + job + "}", "steps[0].needs: there is no step b"},
      {"{'name':'a','needs':['a']," + job + "}", "steps[0].needs: a step cannot wait for itself"},
      {"{'name':'a','job':{'command':[]}}", "steps[0].job.command: is required"},
      {"{'name':'a','job':{'command':['${params.x}']}}",
       "steps[0].${params.x}: there is no such parameter"},
      {"{'name':'a','job':{'command':['${matrix.x}']}}",
       "steps[0].${matrix.x}: the step has no such matrix dimension"},
      {"{'name':'a','job':{'command':['${steps.b.outputs.c}']}}",
       "steps[0].${steps.b.outputs.c}: there is no step b"},
      {train + ",{'name':'a','job':{'command':['${steps.train.outputs.c}']}}",
       "steps[1].${steps.train.outputs.c}: train has no output c"},
      {"{'name':'a','job':{'command':['${nonsense}']}}", "steps[0]: ${...} must name"},
      {"{'name':'a','job':{'command':['x'],'code':'src'}}",
       "steps[0].job.code: must be the digest of a pushed tree"},
      {"{'name':'a','job':{'command':['x'],'inputs':{'d':'somewhere'}}}",
       "steps[0].job.inputs.d: must be the digest of a pushed tree"},
      {"{'name':'a','job':{'command':['x'],'outputs':['m','m']}}",
       "steps[0].job.outputs: m is there twice"},
      {"{'name':'a','job':{'command':['x'],'outputs':['../m']}}",
       "steps[0].job.outputs: must start and end"},
      {"{'name':'a','job':{'command':['x'],'goals':{'loss':'down'}}}",
       "steps[0].job.goals.loss: must be minimise or maximise"},
      {"{'name':'a','ingest':{'dataset':'d'}}", "steps[0].ingest.tree: is required"},
      {"{'name':'a','ingest':{'dataset':'d','from':'data'}}",
       "steps[0].ingest.from: is a folder on your machine"},
      {"{'name':'a','gate':{'require':[]}}", "steps[0].gate.require: must require something"},
      {"{'name':'a','gate':{'require':['acc >']}}",
       "steps[0].gate.require[0]: expected a metric or a number at the end"},
      {"{'name':'a','gate':{'require':['acc > 1']}}",
       "steps[0].gate.require[0]: whose metric is acc?; say gate.of, or STEP.acc"},
      {train + ",{'name':'a','gate':{'of':'train','require':['acc > champion.acc']}}",
       "steps[1].gate.require[0]: whose champion?; say gate.champion: the model's name"},
      {train + ",{'name':'a','gate':{'require':['trian.acc > 1']}}",
       "steps[1].gate.require[0]: there is no step trian"},
      {train + ",{'name':'g','gate':{'of':'train','require':['x>1']}},"
               "{'name':'a','gate':{'of':'g','require':['x>1']}}",
       "steps[2].gate.of: g measures nothing"},
      {train + ",{'name':'a','gate':{'of':'train','require':['x > params.y']}}",
       "steps[1].${params.y}: there is no such parameter"},
      {train + ",{'name':'a','register':{'model':'m','from':'model','format':'gguf'}}",
       "steps[1].register.from: must be one ${steps.STEP.outputs.NAME}"},
      {train + ",{'name':'a','register':{'model':'m','from':'${steps.train.outputs.model}',"
               "'format':''}}",
       "steps[1].register.format: must be 1 to 63 characters"},
      {train + ",{'name':'a','deploy':{'endpoint':'e','workload':{},'model':"
               "'${steps.train.outputs.model}'}}",
       "steps[1].deploy.model: must be ${steps.STEP.outputs.model} of a register step"},
  };
  for (const Case& one : cases) {
    const std::string says = refusal(one.steps);
    EXPECT_TRUE(says.starts_with(one.says)) << one.steps << "\n  says: " << says;
  }
}

TEST(Definition, FanOutIsChecked) {
  struct Case { std::string steps; const char* says; };
  const Case cases[] = {
      {fanned, ""},
      {"{'name':'a','matrix':{'s':[]}," + job + "}",
       "steps[0].matrix.s: must list at least one value"},
      {"{'name':'a','matrix':{'s':[1,'1']}," + job + "}", "steps[0].matrix.s: 1 is there twice"},
      {"{'name':'a','matrix':{'s':[[1]]}," + job + "}", "steps[0].matrix.s: values must be 1 to"},
      {"{'name':'a','matrix':{'s':['x,y=2']}," + job + "}",
       "steps[0].matrix.s: values must be 1 to"},
      {"{'name':'a','matrix':{'s':[1]},'gate':{'require':['1>0']}}",
       "steps[0].matrix: is for jobs only"},
      {fanned + ",{'name':'a','job':{'command':['${steps.fan.outputs.model}']}}",
       "steps[1].${steps.fan.outputs.model}: fan has several instances; take one with a choose"},
      {fanned + ",{'name':'a','each':'fan','job':{'command':['${steps.fan.outputs.model} "
                "${matrix.seed}']}}",
       ""},
      {train + ",{'name':'a','each':'train'," + job + "}", "steps[1].each: train is not fanned"},
      {train + ",{'name':'a','choose':{'from':'train','highest':'x'}}",
       "steps[1].choose.from: train is not a job with several instances"},
      {fanned + ",{'name':'a','choose':{'from':'fan'}}",
       "steps[1].choose: give exactly one of highest, lowest"},
      {fanned + ",{'name':'a','choose':{'from':'fan','lowest':'loss'}},"
                "{'name':'r','register':{'model':'m','from':'${steps.a.outputs.model}',"
                "'format':'gguf','evaluations':['a']}}",
       ""},
      {fanned + ",{'name':'a','needs':['fan']," + job + "}", ""},
  };
  for (const Case& one : cases) {
    const std::string says = refusal(one.steps);
    if (*one.says == '\0') EXPECT_EQ(says, "") << one.steps;
    else EXPECT_TRUE(says.starts_with(one.says)) << one.steps << "\n  says: " << says;
  }
  std::string many = "1";
  for (int i = 2; i <= 40; ++i) many += "," + std::to_string(i);
  EXPECT_EQ(refusal("{'name':'a','matrix':{'s':[" + many + "],'t':[" + many + "]}," + job + "}"),
            "steps[0].matrix: gives more than 1000 instances");
}

TEST(Definition, ACycleIsNamed) {
  EXPECT_EQ(refusal("{'name':'a','needs':['c']," + job + "},{'name':'b','job':{'command':"
                    "['${steps.a.outputs.model}']}},{'name':'c','gate':{'of':'b','require':"
                    "['x>1']}}"),
            "steps: the steps wait for each other: a -> c -> b -> a");
  EXPECT_EQ(refusal("{'name':'a','each':'b'," + job + "},{'name':'b','each':'a'," + job + "}"),
            "steps: the steps wait for each other: a -> b -> a");
}

TEST(Definition, OrderFollowsNeedsThenWriting) {
  const Definition definition = read(whole(
      "{'name':'z','needs':['b']," + job + "},{'name':'b'," + job + "},{'name':'a'," + job + "}"));
  EXPECT_EQ(*order_of(definition), (std::vector<std::string>{"b", "a", "z"}));
}

TEST(Definition, InstancesAreBoundAlongTheChain) {
  const Definition definition = read(whole(
      train + ",{'name':'fan','matrix':{'s':[1,'b'],'r':[0.5]},'needs':['train']," + job +
      "},{'name':'eval','each':'fan','job':{'command':['${steps.fan.outputs.model}']}},"
      "{'name':'best','choose':{'from':'eval','highest':'acc'}}"));
  ASSERT_TRUE(check_definition(definition)) << to_text(check_definition(definition).error());
  const auto instances = *instances_of(definition);
  std::vector<std::string> names;
  for (const Instance& one : instances) names.push_back(one.name);
  EXPECT_EQ(names, (std::vector<std::string>{"train", "fan[r=0.5,s=1]", "fan[r=0.5,s=b]",
                                             "eval[r=0.5,s=1]", "eval[r=0.5,s=b]", "best"}));
  EXPECT_EQ(instances[4].needs, std::vector<std::string>{"fan[r=0.5,s=b]"});
  EXPECT_EQ(instances[4].bindings.at("fan"), "fan[r=0.5,s=b]");
  EXPECT_EQ(instances[4].matrix.at("s").text, "\"b\"");
  EXPECT_EQ(instances[5].needs,
            (std::vector<std::string>{"eval[r=0.5,s=1]", "eval[r=0.5,s=b]"}));
}

TEST(Definition, ParametersAndSizesAreBounded) {
  EXPECT_EQ(refusal(train, "'1x':1").substr(0, 14), "parameters.1x:");
  EXPECT_EQ(refusal(train, "'x':'${params.y}'"),
            "parameters.x: a default must not hold ${…}");
  EXPECT_EQ(refusal(train, "'x':'" + std::string(4'096, 'y') + "'"),
            "parameters.x: must be at most 4096 bytes of JSON");
  Definition many = read(whole(train));
  for (std::size_t i = 0; i < max_steps; ++i) {
    many.steps.push_back(many.steps[0]);
    many.steps.back().name = "s" + std::to_string(i);
  }
  EXPECT_EQ(to_text(check_definition(many).error()), "steps: at most 200 steps");
  const auto unknown = json::read<Definition>(R"({"name":"a","steps":[{"name":"x","jab":{}}]})");
  EXPECT_EQ(to_text(unknown.error()).substr(0, 13), "steps[0].jab:");
}

}  // namespace
}  // namespace bessemer::pipeline

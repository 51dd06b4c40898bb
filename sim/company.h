// Everyone who asks something of a simulated factory: its operators, its tenants, their work.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "base/random.h"
#include "sim/daemon.h"
#include "sim/gateway.h"

namespace bessemer::sim {

class Company {
 public:
  Company(Machine& machine, std::uint64_t seed) : machine_(machine), random_(seed) {}

  // The first day: prices, tenants, budgets, machines.
  void found(Daemon& daemon);
  // A daemon tells at its start what machines there are, as they last booted.
  void register_nodes(Daemon& daemon);
  // One request, by chance.
  void ask_something(Daemon& daemon);
  // Whatever still lives is to end; asked again until it has.
  void end_everything(Daemon& daemon);

  // What requests to gateways are like.
  const std::vector<RequestKind>& kinds() const { return kinds_; }
  // What is set aside of a budget is within the highest limit it ever had.
  std::string judge_limits(const factory::State& state) const;
  // The first answer that nobody should get; empty: none.
  const std::string& fault() const { return fault_; }
  bool ask(Daemon& daemon, const factory::Command& command);

 private:
  void publish_prices(Daemon& daemon, Instant from);
  void found_payer(Daemon& daemon);
  void top_up(Daemon& daemon);
  void set_budget(Daemon& daemon, OrgId node, SpendUnit unit, std::int64_t limit);
  void change_budget(Daemon& daemon);
  void name_kinds(const Daemon& daemon);
  site::Inventory inventory(std::uint64_t number) const;
  void submit_job(Daemon& daemon);
  void change_node(Daemon& daemon);
  void change_queue(Daemon& daemon);
  // lines.cc: pipelines and endpoints
  void define_lines(Daemon& daemon);
  void run_line(Daemon& daemon);
  void serve_something(Daemon& daemon);
  OrgId any_project() { return projects_[random_.below(projects_.size())]; }

  Machine& machine_;
  Random random_;
  std::vector<OrgId> tenants_, projects_;
  OrgId payer_, shop_;  // pays in advance
  std::vector<NodeId> nodes_;
  std::vector<budget::Budget> budgets_;
  std::map<BudgetId, Wide> highest_;
  std::vector<WorkloadId> jobs_;
  std::vector<PipelineId> lines_;
  std::vector<PipelineRunId> runs_;
  std::vector<EndpointId> endpoints_;
  std::vector<RequestKind> kinds_;
  std::string fault_;
};

}  // namespace bessemer::sim

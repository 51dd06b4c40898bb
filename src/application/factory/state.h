// The whole state of a factory: the modules' states side by side. A fold of the journal.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/describe.h"
#include "base/digest.h"
#include "base/result.h"
#include "compute/site/site.h"
#include "data/artifact/artifact.h"
#include "data/dataset/dataset.h"
#include "data/registry/registry.h"
#include "data/run/run.h"
#include "governance/access/access.h"
#include "governance/audit/audit.h"
#include "governance/billing/billing.h"
#include "governance/budget/budget.h"
#include "governance/ledger/ledger.h"
#include "governance/lease/lease.h"
#include "governance/metering/metering.h"
#include "governance/pricing/pricing.h"
#include "governance/quota/quota.h"
#include "governance/secret/secret.h"
#include "governance/tenant/tenant.h"
#include "orchestration/deployment/deployment.h"
#include "orchestration/pipeline/pipeline.h"
#include "orchestration/queue/queue.h"
#include "orchestration/workload/workload.h"

namespace bessemer::factory {

// A permission that a request asked for and was given.
struct Permission {
  OrgId node;
  access::Resource resource = access::Resource::org;
  access::Action action = access::Action::read;
  friend bool operator==(const Permission&, const Permission&) = default;
};
DESCRIBE(Permission, node, resource, action)

// What a request with an Idempotency-Key led to; see command.h for how long it is remembered.
struct Noted {
  Digest body;           // of the request
  std::string location;  // where what it made can be read
  Instant at;
  std::vector<Permission> asked;      // a repetition asks for the same
  std::uint32_t status = 0;           // of the answer
  std::optional<std::string> answer;  // its body; none: not kept, or no longer
  friend bool operator==(const Noted&, const Noted&) = default;
};
DESCRIBE(Noted, body, location, at, asked, status, answer)

struct Notes {
  std::map<std::pair<PrincipalId, std::string>, Noted> by_key;
  std::map<Instant, std::pair<PrincipalId, std::string>> by_time;        // oldest first, to forget
  std::map<PrincipalId, std::map<Instant, std::string>> by_principal;  // the same of one
  std::uint64_t answer_bytes = 0;  // of all answers that are kept
  Instant answers_from;            // older ones have none any more
};
DESCRIBE(Notes, by_key, by_time, by_principal, answer_bytes, answers_from)

// Of a state that was restored from a backup: another life may have gone on from the same facts, so
// what existed by `restored_at` gets generations above `floor`, which that life never reached.
struct Life {
  Instant restored_at;
  std::uint32_t floor = 0;
  friend bool operator==(const Life&, const Life&) = default;
};
DESCRIBE(Life, restored_at, floor)

struct State {
  // governance
  tenant::State tenant;
  access::State access;
  quota::State quota;
  secret::State secret;
  pricing::State pricing;
  ledger::State ledger;
  budget::State budget;
  metering::State metering;
  lease::State lease;
  billing::State billing;
  audit::State audit;
  // orchestration
  queue::State queue;
  workload::State workload;
  pipeline::State pipeline;
  deployment::State deployment;
  // data
  artifact::State artifact;
  dataset::State dataset;
  run::State run;
  registry::State registry;
  // compute
  site::State site;
  // the factory's own
  Notes notes;
  // Projects in the order in which they were made, from 0: each has its own user id for tasks.
  std::map<OrgId, std::uint32_t> project_number;
  Life life;
};
DESCRIBE(State, tenant, access, quota, secret, pricing, ledger, budget, metering, lease, billing,
         audit, queue, workload, pipeline, deployment, artifact, dataset, run, registry, site,
         notes, project_number, life)

// The binary form of a snapshot, and a digest of its description: a snapshot with another one was
// written by another version and is not read.
std::string encode_state(const State& state);
Result<State> decode_state(std::string_view bytes);
const Digest& state_schema();

}  // namespace bessemer::factory

// What a project stores: published artifacts, their quota, and the meter of stored bytes.
#pragma once
#include <string>
#include <vector>

#include "application/factory/factory.h"

namespace bessemer::factory {

// Publishes artifacts of one project in one batch: each digest once, the storage quota taken for
// what is new, the meter of stored bytes moved. Errors: those of artifact and quota.
Result<void> publish_all(const State& state, std::vector<artifact::Publish> publishes,
                         Batch& batch, const Context& context);

// The name of the metering interval of a project's stored bytes.
std::string storage_interval(OrgId project);

}  // namespace bessemer::factory

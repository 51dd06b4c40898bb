// What a project stores: published artifacts, their quota, and the meter of stored bytes.
#pragma once
#include <vector>

#include "application/factory/factory.h"

namespace bessemer::factory {

// Publishes artifacts of one project in one batch: each digest once, the storage quota taken for
// what is new, the meter of stored bytes moved. Errors: those of artifact and quota.
Result<void> publish_all(const State& state, std::vector<artifact::Publish> publishes,
                         Batch& batch, const Context& context);

}  // namespace bessemer::factory

// Codecs of the facts of orchestration.
#include "application/factory/fact_codec.h"

namespace bessemer::factory {

FACT_CODEC(queue::Event)
FACT_CODEC(workload::Event)
FACT_CODEC(pipeline::Event)
FACT_CODEC(deployment::Event)

}  // namespace bessemer::factory

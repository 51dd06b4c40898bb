// Codecs of the facts of data.
#include "application/factory/fact_codec.h"

namespace bessemer::factory {

FACT_CODEC(artifact::Event)
FACT_CODEC(dataset::Event)
FACT_CODEC(run::Event)
FACT_CODEC(registry::Event)

}  // namespace bessemer::factory

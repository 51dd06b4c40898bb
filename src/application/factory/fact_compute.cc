// Codecs of the facts of compute.
#include "application/factory/fact_codec.h"

namespace bessemer::factory {

FACT_CODEC(site::Event)
FACT_CODEC(OwnEvent)

}  // namespace bessemer::factory

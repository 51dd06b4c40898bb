// Codecs of the facts of governance.
#include "application/factory/fact_codec.h"

namespace bessemer::factory {

FACT_CODEC(tenant::Event)
FACT_CODEC(access::Event)
FACT_CODEC(quota::Event)
FACT_CODEC(secret::Event)
FACT_CODEC(audit::Event)

}  // namespace bessemer::factory

// Codecs of the facts of money.
#include "application/factory/fact_codec.h"

namespace bessemer::factory {

FACT_CODEC(pricing::Event)
FACT_CODEC(ledger::Event)
FACT_CODEC(budget::Event)
FACT_CODEC(metering::Event)
FACT_CODEC(lease::Event)
FACT_CODEC(billing::Event)

}  // namespace bessemer::factory

// What a new factory begins with.
#include "application/daemon/first_start.h"

#include <fstream>

#include "governance/access/key.h"

namespace bessemer::daemon {
namespace {

using pricing::Meter;
using pricing::PriceSpec;

constexpr std::string_view site_name = "local";

Context now_context(const world::Clock& clock, Origin origin) {
  Context context;
  context.now = context.occurred_at = clock.now();
  context.origin = origin;
  return context;
}

// What tasks of environment `host` find: another set of packages is another environment.
std::string environment_label() {
  std::ifstream packages("/var/lib/dpkg/status", std::ios::binary);
  Sha256 digest;
  std::string piece(1 << 16, '\0');
  while (packages.read(piece.data(), static_cast<std::streamsize>(piece.size())) ||
         packages.gcount() > 0) {
    digest.add(std::string_view(piece).substr(0, static_cast<std::size_t>(packages.gcount())));
  }
  return to_text(digest.finish());
}

PriceSpec price(Meter meter, std::string_view sku, Currency currency, Wide nano, Wide per = 0) {
  PriceSpec spec;
  spec.meter = meter;
  spec.sku = sku;
  spec.amount = {nano, currency};
  if (per != 0) spec.per = per;
  return spec;
}

// List prices to begin with, of the order that clouds asked in 2026; an operator publishes his own.
std::vector<PriceSpec> first_prices(Currency currency) {
  constexpr Wide cent = 10'000'000;  // nano
  constexpr Wide million = 1'000'000;
  return {
      price(Meter::gpu_time, pricing::any_sku, currency, 250 * cent),
      price(Meter::gpu_time, pricing::any_simulated_sku, simulated_currency, 250 * cent),
      price(Meter::cpu_time, pricing::any_sku, currency, 4 * cent),
      price(Meter::memory_time, pricing::any_sku, currency, cent / 2),
      price(Meter::storage_time, pricing::any_sku, currency, 3 * cent),
      price(Meter::input_tokens, pricing::any_sku, currency, 15 * cent, million),
      price(Meter::cached_input_tokens, pricing::any_sku, currency, 4 * cent, million),
      price(Meter::output_tokens, pricing::any_sku, currency, 60 * cent, million),
      price(Meter::reasoning_tokens, pricing::any_sku, currency, 60 * cent, million),
      price(Meter::requests, pricing::any_sku, currency, cent, 1000),
  };
}

}  // namespace

Result<void> begin_factory(engine::Engine& engine, const Home& home, const world::Clock& clock,
                           world::Entropy& entropy) {
  const Context context = now_context(clock, Origin::external);
  if (engine.state().access.principals.empty()) {
    access::Bootstrap bootstrap;
    bootstrap.admin = world::draw_id<PrincipalId>(clock, entropy);
    bootstrap.platform = tenant::root;
    bootstrap.key = world::draw_id<KeyId>(clock, entropy);
    TRY_ASSIGN(bootstrap.hash, access::hash_key(home.admin_key.reveal()));
    TRY(engine.submit(access::Command(bootstrap), context));
  }
  if (!engine.state().site.sites.contains(std::string(site_name))) {
    TRY(engine.submit(site::Command(site::RegisterSite{std::string(site_name),
                                                       site::Engine::local}),
                      context));
  }
  if (!engine.state().pricing.books.contains(std::string(factory::default_book))) {
    pricing::Publish publish;
    publish.id = world::draw_id<PriceBookId>(clock, entropy);
    publish.name = factory::default_book;
    publish.currency = home.config.currency.value_or(Currency{{'U', 'S', 'D'}});
    publish.effective_from = context.now;
    publish.prices = first_prices(publish.currency);
    TRY(engine.submit(pricing::Command(std::move(publish)), context));
  }
  return {};
}

Result<void> register_machine(engine::Engine& engine, const Home& home,
                              const executor::Inventory& inventory, const world::Clock& clock,
                              world::Entropy& entropy) {
  site::RegisterNode command;
  command.node = world::draw_id<NodeId>(clock, entropy);
  site::Inventory& told = command.inventory;
  told.name = inventory.host_name;
  told.site = site_name;
  told.pool = home.config.pool.value_or("default");
  told.cpu_millis = inventory.cpu_millis;
  told.memory_bytes = inventory.memory_bytes;
  told.boot = inventory.boot_id;
  told.labels["environment"] = environment_label();
  for (const executor::Accelerator& accelerator : inventory.accelerators) {
    site::Accelerator one;
    one.index = accelerator.index;
    one.model = accelerator.model;
    one.uuid = accelerator.uuid;
    one.memory_bytes = accelerator.memory_bytes;
    one.simulated = accelerator.simulated;
    told.accelerators.push_back(std::move(one));
  }
  TRY(engine.submit(site::Command(std::move(command)), now_context(clock, Origin::observed)));
  return {};
}

}  // namespace bessemer::daemon

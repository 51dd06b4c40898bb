// Price books.
#include "application/api/lookup.h"
#include "application/api/page.h"
#include "application/api/tables.h"

namespace bessemer::api {
namespace {

using access::Action;
using access::Resource;
using http::Method;

struct PublishBody {
  std::string name;
  Currency currency;
  std::optional<Instant> effective_from;
  std::vector<pricing::PriceSpec> prices;
};
DESCRIBE(PublishBody, name, currency, effective_from, prices)

Result<pricing::Version> publish(Call& call, const PublishBody& body) {
  TRY(call.permit(tenant::root));
  pricing::Publish command;
  command.id = call.draw<PriceBookId>();
  command.name = body.name;
  command.currency = body.currency;
  command.effective_from = body.effective_from;
  command.prices = body.prices;
  const PriceBookId id = command.id;
  call.makes("/api/v1/price-books/" + to_text(id));
  TRY(call.submit(pricing::Command(std::move(command))));
  return *pricing::find(call.state().pricing, id);
}

// Prices are no secret: everybody who is signed in may know what things cost.
Result<Page<pricing::Version>> list_versions(Call& call) {
  call.permit_self();
  std::vector<const pricing::Version*> all;
  for (const auto& [name, versions] : call.state().pricing.books) {
    for (const pricing::Version& version : versions) all.push_back(&version);
  }
  return paginate<pricing::Version>(
      call, all,
      [](const pricing::Version* one) {
        return one->book + "/" + std::to_string(1'000'000'000 + one->number);
      },
      [](const pricing::Version* one) { return *one; });
}

// By id, or by name: the version in force.
Result<pricing::Version> get_version(Call& call) {
  call.permit_self();
  const std::string& which = call.part("book");
  const pricing::Version* found = nullptr;
  if (const auto id = from_text(std::type_identity<PriceBookId>{}, which); id && *id) {
    found = pricing::find(call.state().pricing, *id);
  } else {
    found = pricing::in_force(call.state().pricing, which, call.now());
  }
  if (found == nullptr) return not_found("no such price book is in force");
  return *found;
}

}  // namespace

Table price_routes() {
  Table table = {
      route<&publish>(Method::post, "/api/v1/price-books", "publish_price_book",
                      "Publish the next version of a price book", Resource::price_book,
                      Action::create),
      route<&list_versions>(Method::get, "/api/v1/price-books", "list_price_books",
                            "Price books and their versions", Resource::price_book, Action::list,
                            page_parameters),
      route<&get_version>(Method::get, "/api/v1/price-books/{book}", "get_price_book",
                          "One version of a price book", Resource::price_book, Action::read),
  };
  table[1].entry = table[2].entry = Entry::signed_in;
  return table;
}

}  // namespace bessemer::api

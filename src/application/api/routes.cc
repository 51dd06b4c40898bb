// The whole table of routes.
#include <algorithm>
#include <iterator>

#include "application/api/api.h"
#include "application/api/tables.h"

namespace bessemer::api {

const Table& routes() {
  static const Table all = [] {
    Table written_out, with_names;
    for (Table part :
         {system_routes(), org_routes(), access_routes(), price_routes(), budget_routes(),
          workload_routes(), inside_routes(), endpoint_routes(), artifact_routes(),
          dataset_routes(), run_routes(), model_routes(), lineage_routes(), pipeline_routes(),
          statement_routes(), node_routes(),
          ledger_routes(), explain_routes(),
          invoice_routes(), quota_routes(), secret_routes(), audit_routes(), event_routes()}) {
      for (Route& route : part) {
        const bool named = route.pattern.find('{') != std::string_view::npos;
        (named ? with_names : written_out).push_back(std::move(route));
      }
    }
    // "price-books/prices.csv" before "price-books/{book}": what is written out wins.
    Table table = std::move(written_out);
    std::move(with_names.begin(), with_names.end(), std::back_inserter(table));
    return table;
  }();
  return all;
}

}  // namespace bessemer::api

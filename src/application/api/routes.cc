// The whole table of routes.
#include <algorithm>
#include <iterator>

#include "application/api/api.h"
#include "application/api/tables.h"

namespace bessemer::api {

const Table& routes() {
  static const Table all = [] {
    Table table;
    for (Table part :
         {system_routes(), org_routes(), access_routes(), price_routes(), budget_routes(),
          workload_routes(), inside_routes(), endpoint_routes(), artifact_routes(),
          dataset_routes(), run_routes(), model_routes(), lineage_routes(), pipeline_routes(),
          statement_routes(), node_routes(),
          ledger_routes(), explain_routes(),
          invoice_routes(), quota_routes(), secret_routes(), audit_routes(), event_routes()}) {
      table.insert(table.end(), std::make_move_iterator(part.begin()),
                   std::make_move_iterator(part.end()));
    }
    // "price-books/prices.csv" before "price-books/{book}": what is written out wins.
    std::stable_partition(table.begin(), table.end(), [](const Route& route) {
      return route.pattern.find('{') == std::string_view::npos;
    });
    return table;
  }();
  return all;
}

}  // namespace bessemer::api

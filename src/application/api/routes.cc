// The whole table of routes.
#include <iterator>

#include "application/api/api.h"
#include "application/api/tables.h"

namespace bessemer::api {

const Table& routes() {
  static const Table all = [] {
    Table table;
    for (Table part :
         {system_routes(), org_routes(), access_routes(), price_routes(), budget_routes(),
          workload_routes(), endpoint_routes(), artifact_routes(), dataset_routes(), run_routes(),
          model_routes(), pipeline_routes(), statement_routes(), node_routes(),
          quota_routes(), secret_routes(), audit_routes(), event_routes()}) {
      table.insert(table.end(), std::make_move_iterator(part.begin()),
                   std::make_move_iterator(part.end()));
    }
    return table;
  }();
  return all;
}

}  // namespace bessemer::api

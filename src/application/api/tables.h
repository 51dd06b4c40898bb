// The parts of the table of routes, one per noun; each in the .cc file of its name.
#pragma once
#include "application/api/route.h"

namespace bessemer::api {

Table system_routes();     // routes_system.cc: health, who am I, the document
Table org_routes();        // routes_org.cc: tenants, groups, projects, quotas
Table access_routes();     // routes_access.cc: principals, roles, keys
Table invoice_routes();    // routes_invoice.cc
Table quota_routes();      // routes_quota.cc
Table event_routes();      // routes_event.cc: facts as server-sent events
Table secret_routes();     // routes_secret.cc
Table audit_routes();      // routes_audit.cc
Table price_routes();      // routes_price.cc: price books
Table budget_routes();     // routes_budget.cc
Table ledger_routes();     // routes_ledger.cc: transfers, wallets, credit notes, leases, margins
Table explain_routes();    // routes_explain.cc: what is behind a charge, a refusal
Table statement_routes();  // routes_statement.cc: statements, invoices, ledger, exports
Table node_routes();       // routes_node.cc: nodes, pools, queues
Table workload_routes();   // routes_workload.cc: jobs and services
Table inside_routes();     // routes_inside.cc: exec, files and ports of running tasks
Table endpoint_routes();   // routes_endpoint.cc
Table artifact_routes();   // routes_artifact.cc: trees and uploads
Table dataset_routes();    // routes_dataset.cc
Table run_routes();        // routes_run.cc: experiment runs and their metrics
Table model_routes();      // routes_model.cc: the registry
Table lineage_routes();    // routes_lineage.cc
Table pipeline_routes();   // routes_pipeline.cc

}  // namespace bessemer::api

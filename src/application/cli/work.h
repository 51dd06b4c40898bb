// Submitting work and following it.
#pragma once
#include <string>
#include <vector>

#include "application/cli/arguments.h"
#include "application/cli/catalog.h"
#include "application/cli/document.h"
#include "base/result.h"

namespace bessemer::cli {

const Noun& workload_noun();
// The options of `run`: those of a job's specification, and how to follow it.
std::vector<Option> submit_options();

// Submits a job and, unless detached, shows its logs until it ends; the exit status is the job's.
Result<int> submit_job(Session& session);
// Prints an answer that is not JSON as it comes.
Result<int> print_stream(Session& session);
Result<int> show_logs(Session& session);
Result<int> run_pipeline(Session& session);
Result<int> show_pipeline_run(Session& session);
Result<int> follow_events(Session& session);

// Pushes what a definition of a pipeline or a job names by folder, and puts digests in their place:
// `code`, and `from` of ingest steps.
Result<void> push_folders(Session& session, const std::string& folder, Document& definition);

// "train=dataset:mnist@3", "weights=model:digits@champion", "x=<sha256>" -> an input of a job.
// Errors: invalid.
Result<Document> parse_input(std::string_view text);

// The steps of a pipeline run, one a line, with what each waits for, made or failed of.
std::string render_steps(const Document& run, Instant now);

}  // namespace bessemer::cli

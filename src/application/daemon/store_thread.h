// The thread that moves bytes: it alone touches the artifact store.
#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "application/api/services.h"
#include "data/artifact/directory_store.h"
#include "world/real/disk.h"
#include "world/real/loop.h"
#include "world/real/tree.h"

namespace bessemer::daemon {

class StoreThread final : public api::StoreQueue {
 public:
  // `directory` is the store's, absolute. Errors: those of the disk.
  static Result<std::unique_ptr<StoreThread>> open(const std::string& directory, real::Loop& loop);
  ~StoreThread() override;

  // Runs `job` after those before it, then what it returned on the loop's thread. Any thread.
  void post(Job job) override;
  // Runs a job that may take minutes, one of these at a time: tenants take turns. It calls
  // give_way() as it goes. Any thread.
  void post_long(OrgId tenant, Job job);
  // For a long job, on this thread: runs the short ones that wait.
  void give_way();
  // Short jobs that wait: callers that stream stop above a bound of their own.
  std::size_t waiting() const override;
  const std::string& directory() const { return directory_; }
  // For reading beside this thread: see artifact::Store.
  const artifact::Store& reader() const { return *store_; }

 private:
  StoreThread(std::string directory, real::Loop& loop) : directory_(std::move(directory)),
                                                         loop_(loop) {}
  void run();
  // One job without the lock, what it returned handed to the loop.
  void carry_out(Job job, std::unique_lock<std::mutex>& lock);
  Job next_long();

  std::string directory_;
  real::Loop& loop_;
  std::unique_ptr<real::RealDisk> disk_;
  std::unique_ptr<real::RealTree> tree_;
  std::unique_ptr<artifact::DirectoryStore> store_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;
  std::map<OrgId, std::deque<Job>> long_jobs_;  // of tenants that have some
  OrgId last_;                                  // who had the last turn
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace bessemer::daemon

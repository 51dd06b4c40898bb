// The thread that moves bytes.
#include "application/daemon/store_thread.h"

namespace bessemer::daemon {

Result<std::unique_ptr<StoreThread>> StoreThread::open(const std::string& directory,
                                                       real::Loop& loop) {
  std::unique_ptr<StoreThread> made(new StoreThread(directory, loop));
  TRY_ASSIGN(made->disk_, real::RealDisk::open_root(directory));
  TRY_ASSIGN(made->tree_, real::RealTree::open_root(directory));
  TRY_ASSIGN(made->store_, artifact::DirectoryStore::open(*made->disk_, *made->tree_));
  for (const artifact::Upload& upload : made->store_->uploads()) {
    made->uploads.emplace(upload.id, upload);
  }
  made->thread_ = std::thread([thread = made.get()] { thread->run(); });
  return made;
}

StoreThread::~StoreThread() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void StoreThread::post(Job job) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  wake_.notify_one();
}

std::size_t StoreThread::waiting() const {
  const std::lock_guard lock(mutex_);
  return jobs_.size();
}

void StoreThread::post_long(OrgId tenant, Job job) {
  {
    const std::lock_guard lock(mutex_);
    long_jobs_[tenant].push_back(std::move(job));
  }
  wake_.notify_one();
}

void StoreThread::carry_out(Job job, std::unique_lock<std::mutex>& lock) {
  lock.unlock();
  Then then = job(*store_);
  if (then) loop_.post(std::move(then));
  lock.lock();
}

// As many as wait now: more may come for ever, and the long one is to end too.
void StoreThread::give_way() {
  std::unique_lock lock(mutex_);
  for (std::size_t turns = jobs_.size(); turns > 0 && !stop_; --turns) {
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    carry_out(std::move(job), lock);
  }
}

StoreThread::Job StoreThread::next_long() {
  auto at = long_jobs_.upper_bound(last_);
  if (at == long_jobs_.end()) at = long_jobs_.begin();
  last_ = at->first;
  Job job = std::move(at->second.front());
  at->second.pop_front();
  if (at->second.empty()) long_jobs_.erase(at);
  return job;
}

// A long job begins even while short ones keep coming: they have their turns within it.
void StoreThread::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stop_ || !jobs_.empty() || !long_jobs_.empty(); });
    if (stop_) return;
    if (!long_jobs_.empty()) {
      carry_out(next_long(), lock);
      continue;
    }
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    carry_out(std::move(job), lock);
  }
}

}  // namespace bessemer::daemon

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

void StoreThread::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stop_ || !jobs_.empty(); });
    if (stop_) return;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    Then then = job(*store_);
    if (then) loop_.post(std::move(then));
    lock.lock();
  }
}

}  // namespace bessemer::daemon

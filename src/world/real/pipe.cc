// Pipes and terminals on a loop.
#include "world/real/pipe.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>

namespace bessemer::real {

Result<std::unique_ptr<Pipe>> Pipe::open(Loop& loop, Descriptor descriptor, Way way,
                                         PipeUser& user) {
  ::fcntl(descriptor.get(), F_SETFL, ::fcntl(descriptor.get(), F_GETFL) | O_NONBLOCK);
  std::unique_ptr<Pipe> made(new Pipe(loop, std::move(descriptor), way, user));
  TRY_ASSIGN(made->watch_, loop.watch(made->descriptor_, *made));
  return made;
}

Pipe::~Pipe() {
  *alive_ = false;
  close();
}

void Pipe::close() {
  if (watch_ != 0) loop_.forget(descriptor_, watch_);
  watch_ = 0;
  descriptor_.reset();
  output_.clear();
  written_ = 0;
}

void Pipe::write(std::string_view bytes) {
  if (!descriptor_ || ending_ || bytes.empty()) return;
  const bool idle = unwritten() == 0;
  output_ += bytes;
  // Whoever writes hears of a closed end in a turn of its own.
  if (idle) loop_.again(watch_, EPOLLOUT);
}

void Pipe::end() {
  ending_ = true;
  if (unwritten() == 0) close();
}

void Pipe::resume() {
  if (!paused_) return;
  paused_ = false;
  if (watch_ != 0) loop_.again(watch_, EPOLLIN);
}

// False: destroyed by its user.
bool Pipe::flush() {
  if (unwritten() == 0) return true;
  while (unwritten() > 0) {
    const ssize_t done =
        ::write(descriptor_.get(), output_.data() + written_, output_.size() - written_);
    if (done < 0 && errno == EINTR) continue;
    if (done < 0 && errno == EAGAIN) return true;
    if (done < 0) {
      if (way_ == Way::write) close();
      output_.clear();
      written_ = 0;
      const auto alive = alive_;
      user_.on_write_end();
      return *alive;
    }
    written_ += static_cast<std::size_t>(done);
    if (written_ > piece_bytes && written_ * 2 > output_.size()) {
      output_.erase(0, written_);
      written_ = 0;
    }
  }
  output_.clear();
  written_ = 0;
  if (ending_) {
    close();
    return true;
  }
  const auto alive = alive_;
  user_.on_written();
  return *alive;
}

Pipe::Drained Pipe::drain() {
  char piece[piece_bytes];
  const auto alive = alive_;
  for (int i = 0; i < pieces_per_turn; ++i) {
    if (!descriptor_) return Drained::ended;
    if (paused_) return Drained::paused;
    const ssize_t got = ::read(descriptor_.get(), piece, sizeof piece);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return Drained::empty;
    if (got > 0) {
      user_.on_read({piece, static_cast<std::size_t>(got)});
    } else {  // the end; of a terminal EIO
      close();
      user_.on_read_end();
    }
    if (!*alive) return Drained::ended;
  }
  if (watch_ != 0) loop_.again(watch_, EPOLLIN);
  return Drained::more;
}

void Pipe::on_events(std::uint32_t events) {
  if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0 && way_ != Way::read && !flush()) return;
  if (way_ != Way::write && descriptor_) (void)drain();
}

}  // namespace bessemer::real

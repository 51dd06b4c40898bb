// The filter as classic BPF (seccomp(2)): one comparison per refused call.
#include "compute/executor/supervisor/seccomp.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "compute/executor/channel.h"

namespace bessemer::executor {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t own_architecture = AUDIT_ARCH_X86_64;
constexpr std::uint32_t foreign_calls = 0x40000000;  // x32
#elif defined(__aarch64__)
constexpr std::uint32_t own_architecture = AUDIT_ARCH_AARCH64;
constexpr std::uint32_t foreign_calls = 0x7fffffff;
#endif

// set_mempolicy_home_node. Calls added after it (Linux 5.17) are answered ENOSYS, but for these,
// which only work on what the caller already holds.
constexpr std::uint32_t last_known = 450;
constexpr std::uint32_t known_after[] = {451 /* cachestat */,    452 /* fchmodat2 */,
                                         454 /* futex_wake */,   455 /* futex_wait */,
                                         456 /* futex_requeue */, 462 /* mseal */};

constexpr std::uint32_t refused[] = {
    // mounts and namespaces
    __NR_mount, __NR_umount2, __NR_pivot_root, __NR_chroot, __NR_unshare, __NR_setns,
    428 /* open_tree */, 429 /* move_mount */, 430 /* fsopen */, 431 /* fsconfig */,
    432 /* fsmount */, 433 /* fspick */, 442 /* mount_setattr */, __NR_quotactl,
    443 /* quotactl_fd */, __NR_swapon, __NR_swapoff,
    // other processes
    __NR_ptrace, __NR_process_vm_readv, __NR_process_vm_writev, __NR_kcmp, 438 /* pidfd_getfd */,
    // keys, handles that outlive names
    __NR_keyctl, __NR_add_key, __NR_request_key, __NR_open_by_handle_at, __NR_name_to_handle_at,
    // the kernel itself
    __NR_init_module, __NR_finit_module, __NR_delete_module, __NR_kexec_load,
    __NR_kexec_file_load, __NR_reboot, __NR_bpf, __NR_perf_event_open, __NR_userfaultfd,
    __NR_syslog, __NR_acct, __NR_settimeofday, __NR_clock_settime, __NR_adjtimex,
    __NR_clock_adjtime, __NR_sethostname, __NR_setdomainname, __NR_vhangup, __NR_fanotify_init,
    __NR_lookup_dcookie, __NR_nfsservctl, 425 /* io_uring_setup */, 426 /* io_uring_enter */,
    427 /* io_uring_register */,
#if defined(__x86_64__)
    __NR_iopl, __NR_ioperm, __NR_modify_ldt, __NR_uselib, __NR_ustat, __NR_sysfs, __NR__sysctl,
    __NR_create_module, __NR_get_kernel_syms, __NR_query_module,
#endif
};

class Program {
 public:
  void load(std::size_t offset) {
    add(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset));
  }
  void answer(std::uint32_t what) { add(BPF_RET | BPF_K, what); }
  void refuse(int with) {
    answer(SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(with));
  }
  // Runs the next `count` instructions only when the loaded value equals / does not / is above.
  void when_equal(std::uint32_t value, std::uint8_t count) { jump(BPF_JEQ, value, 0, count); }
  void unless_equal(std::uint32_t value, std::uint8_t count) { jump(BPF_JEQ, value, count, 0); }
  void when_at_least(std::uint32_t value, std::uint8_t count) { jump(BPF_JGE, value, 0, count); }
  void when_any_bit(std::uint32_t bits, std::uint8_t count) { jump(BPF_JSET, bits, 0, count); }
  void keep_bits(std::uint32_t bits) { add(BPF_ALU | BPF_AND | BPF_K, bits); }
  std::vector<sock_filter> take() { return std::move(code_); }

 private:
  void add(int code, std::uint32_t k) {
    code_.push_back({static_cast<std::uint16_t>(code), 0, 0, k});
  }
  void jump(int how, std::uint32_t k, std::uint8_t yes, std::uint8_t no) {
    code_.push_back({static_cast<std::uint16_t>(BPF_JMP | how | BPF_K), yes, no, k});
  }
  std::vector<sock_filter> code_;
};

// The low half of argument `n`, where the values looked at here live.
std::size_t argument(std::size_t n) { return offsetof(seccomp_data, args) + n * 8; }

// One call whose argument decides: `body` is run with the argument loaded.
template <class Body>
void by_argument(Program& to, std::uint32_t call, std::size_t n, std::uint8_t body_length,
                 Body&& body) {
  to.when_equal(call, static_cast<std::uint8_t>(body_length + 2));
  to.load(argument(n));
  body();
  to.answer(SECCOMP_RET_ALLOW);
}

void judge_arguments(Program& to) {
  constexpr std::uint32_t new_namespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS |
                                           CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |
                                           CLONE_NEWNET;
  by_argument(to, __NR_clone, 0, 2, [&] {
    to.when_any_bit(new_namespaces, 1);
    to.refuse(EPERM);
  });
  const auto no_devices = [&] {
    to.keep_bits(S_IFMT);
    to.when_equal(S_IFCHR, 1);
    to.refuse(EPERM);
    to.when_equal(S_IFBLK, 1);
    to.refuse(EPERM);
  };
#if defined(__x86_64__)
  by_argument(to, __NR_mknod, 1, 5, no_devices);
#endif
  by_argument(to, __NR_mknodat, 2, 5, no_devices);
  by_argument(to, __NR_personality, 0, 3, [&] {
    to.unless_equal(0, 2);
    to.unless_equal(0xffffffff, 1);
    to.refuse(EPERM);
  });
  by_argument(to, __NR_ioctl, 1, 4, [&] {
    for (const std::uint32_t terminal_injection : {0x5412u, 0x541cu}) {  // TIOCSTI, TIOCLINUX
      to.when_equal(terminal_injection, 1);
      to.refuse(EPERM);
    }
  });
  // AF_VSOCK would reach the hypervisor, AF_PACKET the wire, AF_ALG the kernel's crypto.
  by_argument(to, __NR_socket, 0, 5, [&] {
    to.unless_equal(AF_UNIX, 4);
    to.unless_equal(AF_INET, 3);
    to.unless_equal(AF_INET6, 2);
    to.unless_equal(AF_NETLINK, 1);
    to.refuse(EAFNOSUPPORT);
  });
}

}  // namespace

std::vector<sock_filter> task_filter() {
  Program to;
  to.load(offsetof(seccomp_data, arch));
  to.unless_equal(own_architecture, 1);
  to.refuse(ENOSYS);
  to.load(offsetof(seccomp_data, nr));
  to.when_at_least(foreign_calls, 1);
  to.refuse(ENOSYS);
  for (const std::uint32_t call : refused) {
    to.when_equal(call, 1);
    to.refuse(EPERM);
  }
  // Its flags lie in memory, where a filter cannot look: C libraries then fall back to clone.
  to.when_equal(435 /* clone3 */, 1);
  to.refuse(ENOSYS);
  judge_arguments(to);
  for (const std::uint32_t call : known_after) {
    to.when_equal(call, 1);
    to.answer(SECCOMP_RET_ALLOW);
  }
  to.when_at_least(last_known + 1, 1);
  to.refuse(ENOSYS);
  to.answer(SECCOMP_RET_ALLOW);
  return to.take();
}

Result<void> install_filter(const std::vector<sock_filter>& filter) {
  sock_fprog program{};
  program.len = static_cast<unsigned short>(filter.size());
  program.filter = const_cast<sock_filter*>(filter.data());
  if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    Error error = os_error("installing the system call filter");
    error.code = Code::unavailable;
    return error;
  }
  return {};
}

}  // namespace bessemer::executor

"""A job that tries to get out. Prints "held: ..." for each attempt that gets nowhere and
"BREACH: ..." for each that gets anywhere; "done" at the end.

Arguments as environment variables: HOST_PORT (a TCP port that listens on the host's loopback),
HOST_ABSTRACT (an abstract Unix socket of the host), STATE (the state directory's path on the
host), FOREIGN (a file of another tenant on the host), PIDS, SCRATCH (its own limits).
"""
import ctypes
import errno
import os
import signal
import socket
import stat
import struct
import sys

libc = ctypes.CDLL(None, use_errno=True)
attempts = 0


def held(what):
    global attempts
    attempts += 1
    print('held:', what, flush=True)


def breach(what):
    global attempts
    attempts += 1
    print('BREACH:', what, flush=True)


def refused(what, attempt):
    """The attempt must raise OSError or answer False."""
    try:
        result = attempt()
    except OSError as why:
        return held(f'{what} ({errno.errorcode.get(why.errno, why.errno)})')
    held(what) if result is False else breach(f'{what}: {result!r}')


def call(number, *arguments):
    result = libc.syscall(number, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), 'refused')
    return result


def devices():
    for name in ('CUDA_VISIBLE_DEVICES', 'NVIDIA_VISIBLE_DEVICES', 'BESSEMER_GPUS'):
        os.environ.pop(name, None)
    for name in ('nvidia0', 'nvidia1', 'nvidiactl', 'nvidia-uvm', 'kmsg', 'mem', 'vda', 'sda',
                 'nvme0n1', 'loop0', 'loop-control', 'kvm', 'fuse', 'vsock', 'net/tun', 'console',
                 'hwrng', 'port', 'cpu_dma_latency'):
        refused(f'open /dev/{name}', lambda: os.open(f'/dev/{name}', os.O_RDWR))
    for kind, major, minor in ((stat.S_IFBLK, 254, 0), (stat.S_IFCHR, 195, 0), (stat.S_IFCHR, 1, 1)):
        def make():
            os.mknod('/tmp/node', kind | 0o666, os.makedev(major, minor))
            os.open('/tmp/node', os.O_RDONLY)
        refused(f'mknod {major}:{minor}', make)
    known = {'null', 'zero', 'full', 'random', 'urandom', 'tty', 'pts', 'shm', 'ptmx', 'fd', 'stdin',
             'stdout', 'stderr'}
    extra = set(os.listdir('/dev')) - known
    held('nothing else in /dev') if not extra else breach(f'in /dev: {extra}')


def network():
    port = int(os.environ['HOST_PORT'])
    for family, address in ((socket.AF_INET, '127.0.0.1'), (socket.AF_INET6, '::1'),
                            (socket.AF_INET, '1.1.1.1')):
        def connect():
            with socket.socket(family) as s:
                s.settimeout(2)
                s.connect((address, port))
        refused(f'connect {address}:{port}', connect)
    found = []
    for scanned in list(range(1, 2000)) + [port, 7420, 7421, 5432, 6379, 8080]:
        with socket.socket() as s:
            if s.connect_ex(('127.0.0.1', scanned)) == 0:
                found.append(scanned)
    held('scan of loopback') if not found else breach(f'listening on loopback: {found}')

    def abstract():
        with socket.socket(socket.AF_UNIX) as s:
            s.connect('\0' + os.environ['HOST_ABSTRACT'])
    refused('abstract Unix socket of the host', abstract)
    refused('AF_PACKET', lambda: socket.socket(17, socket.SOCK_RAW).close())
    refused('raw socket', lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1).close())
    refused('AF_VSOCK', lambda: socket.socket(40, socket.SOCK_STREAM).close())
    refused('AF_ALG', lambda: socket.socket(38, socket.SOCK_SEQPACKET).close())
    names = {name for _, name in socket.if_nameindex()}
    held('no interface but lo') if names <= {'lo', 'sit0', 'tunl0', 'ip6tnl0'} else breach(str(names))


def files():
    state, foreign = os.environ['STATE'], os.environ['FOREIGN']
    for path in (state, foreign, '/root', '/home', '/etc/shadow', '/etc/ssh', '/etc/machine-id',
                 '/var/lib', '/var/log', '/boot', '/mnt', '/media', '/srv', '/run/systemd',
                 '/proc/1/root' + foreign, '/proc/1/cwd', '/proc/1/environ', '/proc/1/mem',
                 '/proc/1/fd', '/proc/kcore', '/sys/firmware', '/sys/fs/cgroup/memory',
                 '/proc/self/root/../..' + foreign):
        def read():
            if os.path.isdir(path):
                return os.listdir(path) or False
            with open(path, 'rb') as f:
                return f.read(16) or False
        refused(f'read {path}', read)
    for path in ('/x', '/usr/x', '/etc/passwd', '/bessemer/x', '/run/x', '/dev/x', '/lib/x',
                 '/bessemer/parameters.json', '/bessemer/code/hostile.py', '/proc/sysrq-trigger',
                 '/proc/sys/kernel/core_pattern', '/proc/sys/kernel/hostname',
                 '/sys/devices/system/cpu/cpu0/online', '/proc/1/oom_score_adj'):
        refused(f'write {path}', lambda: open(path, 'w').close())
    refused('chmod /etc/passwd', lambda: os.chmod('/etc/passwd', 0o666))
    refused('hard link out of the code',
            lambda: os.link('/bessemer/code/hostile.py', '/tmp/linked'))
    open_files = {int(name) for name in os.listdir('/proc/self/fd')} - {0, 1, 2}
    leaked = [os.readlink(f'/proc/self/fd/{fd}') for fd in open_files
              if os.path.exists(f'/proc/self/fd/{fd}')]
    held('no inherited descriptors') if not leaked else breach(f'inherited: {leaked}')
    others = [pid for pid in os.listdir('/proc') if pid.isdigit() and int(pid) not in
              (1, os.getpid(), os.getppid())]
    held('no foreign process in /proc') if not others else breach(f'processes: {others}')


def kernel():
    P = ctypes.c_char_p
    numbers = dict(ptrace=101, mount=165, umount2=166, pivot_root=155, chroot=161, unshare=272,
                   setns=308, keyctl=250, add_key=248, bpf=321, perf_event_open=298,
                   userfaultfd=323, io_uring_setup=425, init_module=175, kexec_load=246, reboot=169,
                   open_by_handle_at=304, process_vm_readv=310, settimeofday=164, sethostname=170,
                   iopl=172, clone3=435, pidfd_getfd=438, fsopen=430, open_tree=428,
                   mount_setattr=442, move_mount=429, swapon=167, acct=163, syslog=103,
                   quotactl=179, clone_newuser=56)
    if os.uname().machine != 'x86_64':
        return print('note: system call numbers are known for x86_64 only')
    n = numbers
    refused('ptrace', lambda: call(n['ptrace'], 16, 1, 0, 0))
    refused('ptrace of itself', lambda: call(n['ptrace'], 0, 0, 0, 0))
    refused('mount', lambda: call(n['mount'], P(b'tmpfs'), P(b'/tmp'), P(b'tmpfs'), 0, None))
    refused('remount', lambda: call(n['mount'], None, P(b'/'), None, 32, None))
    refused('umount', lambda: call(n['umount2'], P(b'/usr'), 2))
    refused('chroot', lambda: call(n['chroot'], P(b'/tmp')))
    refused('unshare user', lambda: call(n['unshare'], 0x10000000))
    refused('unshare mount', lambda: call(n['unshare'], 0x00020000))
    refused('clone with a user namespace', lambda: call(n['clone_newuser'], 0x10000000 | 17, 0, 0, 0, 0))
    refused('clone3', lambda: call(n['clone3'], None, 0))
    refused('setns', lambda: call(n['setns'], os.open('/proc/self/ns/net', os.O_RDONLY), 0))
    refused('keyctl', lambda: call(n['keyctl'], 0, -3, 1))
    refused('add_key', lambda: call(n['add_key'], P(b'user'), P(b'x'), P(b'y'), 1, -3))
    for name in ('bpf', 'perf_event_open', 'userfaultfd', 'io_uring_setup', 'init_module',
                 'kexec_load', 'open_by_handle_at', 'process_vm_readv', 'pivot_root', 'settimeofday',
                 'iopl', 'pidfd_getfd', 'fsopen', 'open_tree', 'mount_setattr', 'move_mount',
                 'swapon', 'acct', 'syslog', 'quotactl'):
        refused(name, lambda: call(n[name], 3 if name in ('iopl', 'syslog') else 0, 0, 0, 0, 0, 0))
    refused('sethostname', lambda: call(n['sethostname'], P(b'x'), 1))
    refused('reboot', lambda: call(n['reboot'], 0xfee1dead, 672274793, 0, None))
    refused('setuid 0', lambda: os.setuid(0))
    refused('setgid 0', lambda: os.setgid(0))
    refused('nice -5', lambda: os.nice(-5))
    status = dict(line.split(':', 1) for line in open('/proc/self/status'))
    for key, value in (('CapEff', 0), ('CapPrm', 0), ('CapBnd', 0), ('CapAmb', 0)):
        held(f'{key} is empty') if int(status[key], 16) == value else breach(f'{key} {status[key]}')
    for key, value in (('NoNewPrivs', '1'), ('Seccomp', '2')):
        held(key) if status[key].strip() == value else breach(f'{key} {status[key]}')
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP):
        try:
            os.kill(1, number)
        except OSError:
            pass
    held('the first process survives signals')


def greed():
    limit, children = int(os.environ['PIDS']), []
    try:
        while len(children) < 10 * limit:
            pid = os.fork()
            if pid == 0:
                signal.pause()
                os._exit(0)
            children.append(pid)
        breach(f'{len(children)} processes')
    except OSError:
        held('fork bomb') if len(children) < limit else breach(f'{len(children)} processes')
    for pid in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    scratch, block = int(os.environ['SCRATCH']), b'x' * (1 << 20)
    written = 0
    try:
        with open('/tmp/fill', 'wb', buffering=0) as out:
            while written < 10 * scratch:
                written += out.write(block)
        breach(f'{written} bytes of scratch')
    except OSError:
        held('fill the scratch') if written <= scratch else breach(f'{written} bytes of scratch')
    os.unlink('/tmp/fill')
    made = 0
    try:
        while made < 2_000_000:
            os.close(os.open(f'/tmp/{made}', os.O_CREAT | os.O_WRONLY))
            made += 1
        breach(f'{made} files in scratch')
    except OSError:
        held('fill the scratch with files')


def voice():
    for line in (b'{"metrics": ' * 2000 + b'\n', b'\0\xff\n', b'[' * 100000):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect('/run/bessemer.sock')
            s.settimeout(2)
            try:
                s.sendall(line)
                answer = s.recv(4096)
            except OSError:
                answer = b''
            held('nonsense on the socket') if b'"ok"' not in answer else breach(repr(answer))
    crowd = []
    try:
        for _ in range(200):
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(1)
            s.connect('/run/bessemer.sock')
            crowd.append(s)
    except OSError:
        pass
    held('a crowd at the socket')
    for s in crowd:
        s.close()


for part in (devices, network, files, kernel, greed, voice):
    try:
        part()
    except Exception as why:  # an attempt that breaks the job itself tells nothing: say so
        print(f'UNTRIED: {part.__name__}: {why!r}', flush=True)
print('attempts:', attempts)
print('done')
sys.exit(0)

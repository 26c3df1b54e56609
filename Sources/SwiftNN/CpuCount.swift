// How many threads this process should use: SWIFTNN_NUM_THREADS, else its affinity mask cut by the cgroup's CPU quota.
import CSwiftNN

enum CpuCount {
    static func defaultThreads() -> Int {
        if let text = getenv("SWIFTNN_NUM_THREADS"), text[0] != 0 {
            let n = Int(atoll(text))
            if n >= 1 { return min(n, 1024) }
        }
        var n = Int(snn_affinity_count())
        if let quota = cgroupQuota() { n = min(n, quota) }
        return max(1, min(n, 1024))
    }

    /// CPUs of the tightest quota between this process's cgroup and the root, rounded up; nil without one.
    static func cgroupQuota() -> Int? {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 1000) { buffer in
            let path = buffer.baseAddress.unsafelyUnwrapped
            var best: Int?
            func consider(_ quota: Int, _ period: Int) {
                if quota > 0 && period > 0 {
                    let cpus = max(1, (quota + period - 1) / period)
                    best = min(best ?? cpus, cpus)
                }
            }
            // version 2: "0::/a/b"; the quota of every level above counts
            var length = Self.ownCgroup(path + 14, 1000 - 40)
            memcpy(path, "/sys/fs/cgroup", 14)
            while length >= 0 {
                memcpy(path + 14 + length, "/cpu.max", 9)
                let (quota, period) = Self.twoNumbers(path)
                if quota > 0 { consider(quota, period) }
                if length == 0 { break }
                length -= 1
                while length > 0 && path[14 + length] != 47 { length -= 1 }
            }
            let quota = Self.twoNumbers("/sys/fs/cgroup/cpu/cpu.cfs_quota_us").0
            if quota > 0 { consider(quota, Self.twoNumbers("/sys/fs/cgroup/cpu/cpu.cfs_period_us").0) }
            return best
        }
    }

    /// Writes the path of this process's version 2 cgroup ("" at the root) and returns its length, 0 where there is none.
    private static func ownCgroup(_ out: UnsafeMutablePointer<CChar>, _ room: Int) -> Int {
        let file = snn_open_read("/proc/self/cgroup")
        if file < 0 { return 0 }
        defer { close(file) }
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 1000) { buffer in
            let text = buffer.baseAddress.unsafelyUnwrapped
            let n = read(file, text, 999)
            var i = 0
            while i + 3 < n {
                let isV2 = text[i] == 48 && text[i + 1] == 58 && text[i + 2] == 58
                var end = i
                while end < n && text[end] != 10 { end += 1 }
                if isV2 {
                    let length = min(end - i - 3, room)
                    if length <= 1 { return 0 }
                    memcpy(out, text + i + 3, length)
                    return length
                }
                i = end + 1
            }
            return 0
        }
    }

    /// The first two numbers of a small file; 0 for what is not a number ("max").
    private static func twoNumbers(_ path: UnsafePointer<CChar>) -> (Int, Int) {
        let file = snn_open_read(path)
        if file < 0 { return (0, 0) }
        defer { close(file) }
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { buffer in
            let text = buffer.baseAddress.unsafelyUnwrapped
            let n = max(0, read(file, text, 63))
            text[n] = 0
            var second = 0
            while second < n && text[second] != 32 { second += 1 }
            return (Int(atoll(text)), second < n ? Int(atoll(text + second)) : 0)
        }
    }
    private static func twoNumbers(_ path: StaticString) -> (Int, Int) {
        twoNumbers(UnsafeRawPointer(path.utf8Start).assumingMemoryBound(to: CChar.self))
    }
}

// How many threads this process should use: SWIFTNN_NUM_THREADS, else the cores of its affinity mask, cut by the cgroups' CPU quota.
import CSwiftNN

enum CpuCount {
    static func defaultThreads() -> Int {
        if let text = getenv("SWIFTNN_NUM_THREADS"), text[0] != 0 {
            let n = Int(atoll(text))
            if n >= 1 { return min(n, Int(SNN_MAX_THREADS)) }
        }
        var n = Int(snn_core_count(""))
        let quota = Int(snn_cgroup_cpus(""))
        if quota > 0 { n = min(n, quota) }
        return max(1, min(n, Int(SNN_MAX_THREADS)))
    }
}

// Normalisation of a contiguous row with statistics that are known.
import CSwiftNN

/// y = (x - mean) * rstd * weight + bias. Asks for the row behind x, which is likely to be the next.
@inline(never)
func normalize<T: Real>(
    _ x: UnsafePointer<T>, _ mean: T, _ rstd: T, _ weight: UnsafePointer<T>?, _ bias: UnsafePointer<T>?, _ y: UnsafeMutablePointer<T>,
    _ n: Int
) {
    typealias V = T.Vector
    let m = V(mean)
    let r = V(rstd)
    var i = 0
    while i < n {
        let whole = i &+ V.lanes <= n
        let rest = n &- i
        @inline(__always) func at(_ p: UnsafePointer<T>) -> V { whole ? V.load(p + i) : withPadding(0, p + i, rest, V.self) }
        snn_prefetch(x + (i &+ n))
        var v = (at(x) - m) * r
        if let weight {
            if let bias { v = .fma(v, at(weight), at(bias)) } else { v = v * at(weight) }
        } else if let bias {
            v = v + at(bias)
        }
        if whole { v.store(y + i) } else { storePartial(v, y + i, rest) }
        i &+= V.lanes
    }
}

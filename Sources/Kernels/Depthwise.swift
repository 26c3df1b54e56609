// One output row of a depthwise convolution: a filter of its own for every channel, too little work for a GEMM.
import CSwiftNN

/// Every output is one chain of multiply-adds over (r, s), as in the GEMM, so that it has the bits the GEMM would give.
@inline(never)
func depthwiseRow<T: Real>(_ argument: UnsafePointer<snn_depthwise_row>, _: T.Type) {
    typealias V = T.Vector
    let p = argument.pointee
    let x = p.x.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let w = p.w.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let y = p.y.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
    let rows = Int(p.r), columns = Int(p.s), q = Int(p.q)
    let rowStep = Int(p.dilation_h) &* Int(p.hs), step = Int(p.dilation_w), stride = Int(p.stride_w)
    let bias = V(T(p.bias))

    @inline(__always)
    func outputs(_ at: (UnsafePointer<T>) -> V) {
        var j = 0
        while j < q {
            var v = bias
            var tap = w
            for r in 0..<rows {
                let row = x + (r &* rowStep &+ j &* stride)
                for s in 0..<columns {
                    v = .fma(V(tap[s]), at(row + s &* step), v)
                }
                tap += columns
            }
            if q &- j >= V.lanes { v.store(y + j) } else { storePartial(v, y + j, q &- j) }
            j &+= V.lanes
        }
    }

    switch stride {
    case 1: outputs { .load($0) }
    case 2: outputs { V.loadPairs($0).even }
    default:
        outputs { from in
            withUnsafeTemporaryAllocation(of: T.self, capacity: V.lanes) { buffer in
                let b = buffer.baseAddress.unsafelyUnwrapped
                for i in 0..<V.lanes { b[i] = from[i &* stride] }
                return .load(b)
            }
        }
    }
}

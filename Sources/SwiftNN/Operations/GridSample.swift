import CSwiftNN

/// y[n,c,p] = Σ_t w_t x[n,c,q_t], the pixels q_t round the place to which grid[n,p] points, weighted by nearness. Threads: blocks of points.
@_cdecl("snn_grid_sample_forward") @implementation
public func snn_grid_sample_forward(_ args: UnsafePointer<snn_grid_sample_forward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.x, "grid_sample") == Int32(SNN_FLOAT32) {
            try gridSampleForward(args.pointee, Float.self)
        } else {
            try gridSampleForward(args.pointee, Double.self)
        }
    }
}

/// dx[n,c,q] = Σ w dy[n,c,p] over the points p that see pixel q; dgrid[n,p] = Σ_t dw_t/dgrid Σ_c dy[n,c,p] x[n,c,q_t].
/// Threads: channels of images for dx, blocks of points for dgrid.
@_cdecl("snn_grid_sample_backward") @implementation
public func snn_grid_sample_backward(_ args: UnsafePointer<snn_grid_sample_backward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.dy, "grid_sample_backward") == Int32(SNN_FLOAT32) {
            try gridSampleBackward(args.pointee, Float.self)
        } else {
            try gridSampleBackward(args.pointee, Double.self)
        }
    }
}

/// Points that are worked on together: their pixels and weights stay in the first cache.
private let block = Int(SNN_SIGHTS)

/// The arguments of a call of either operation.
private struct Sampling<T: Element> {
    /// Images lie densely enough for the kernels' places.
    let x: ArrayView<T>
    let grid: ArrayView<T>
    let mode, padding: Int64
    let alignCorners: Bool
    let dims: Int
    let result: Shape
    private let copy: Contiguous<T>?

    var samples: Int { x.shape[0] }
    var channels: Int { x.shape[1] }
    var plane: Int { x.shape[2] * x.shape[3] * (dims == 3 ? x.shape[4] : 1) }
    var points: Int { grid.shape[1] * grid.shape[2] * (dims == 3 ? grid.shape[3] : 1) }
    var blocks: Int { ceilDivide(points, block) }
    var taps: Int {
        let taps = mode == Int64(SNN_NEAREST) ? 1 : mode == Int64(SNN_BILINEAR) ? 2 : 4
        return dims == 3 ? taps * taps * taps : taps * taps
    }

    init(
        _ given: ArrayView<T>, _ grid: ArrayView<T>, _ mode: Int64, _ padding: Int64, alignCorners: Bool, _ name: StaticString
    ) throws(Failure) {
        (self.grid, self.mode, self.padding, self.alignCorners) = (grid, mode, padding, alignCorners)
        let shape = given.shape
        dims = given.count - 2
        guard dims == 2 || dims == 3 else {
            throw Message(name).text(": input has shape ").shape(shape).text("; expected (N, C, H, W) or (N, C, D, H, W)").shapeError
        }
        guard grid.count == given.count && grid.shape[0] == shape[0] && grid.shape[dims + 1] == dims else {
            throw Message(name).text(": grid has shape ").shape(grid.shape).text("; expected (").number(shape[0])
                .text(dims == 2 ? ", P, Q, 2)" : ", O, P, Q, 3)").text(" for an input of shape ").shape(shape).shapeError
        }
        guard mode == Int64(SNN_NEAREST) || mode == Int64(SNN_BILINEAR) || (mode == Int64(SNN_BICUBIC) && dims == 2) else {
            throw Message(name).text(": mode has to be nearest, bilinear or, for (N, C, H, W), bicubic").valueError
        }
        guard padding >= Int64(SNN_PAD_CONSTANT) && padding <= Int64(SNN_PAD_REPLICATE) else {
            throw Message(name).text(": unknown padding_mode").valueError
        }
        var result = Shape(shape[0], shape[1]), plane = 1, reach = 0
        for i in 2..<given.count {
            guard shape[i] > 0 else {
                throw Message(name).text(": input has shape ").shape(shape).text("; its images need sizes of at least 1").shapeError
            }
            result.append(grid.shape[i - 1])
            plane = min(plane &* min(shape[i], 1 << 31), 1 << 31)
            reach = min(reach &+ (shape[i] - 1) &* min(Int(given.strides[i].magnitude), 1 << 31), 1 << 40)
        }
        guard plane < 1 << 31 else {
            throw Message(name).text(": input has shape ").shape(shape).text("; its images may have up to 2^31 - 1 pixels").shapeError
        }
        guard result.isPossible else {
            throw Message(name).text(": the result's shape ").shape(result).text(" has more elements than can be counted").shapeError
        }
        self.result = result
        copy = reach < 1 << 31 ? nil : try Contiguous(given)
        x = copy.map { ArrayView(data: $0.data, shape: shape) } ?? given
    }

    func release() { copy?.release() }
    /// n: passes over the channels.
    func threads(_ n: Int) -> Int { ThreadPool.threads(forWork: samples &* points &* (n &* channels &* taps &+ 32)) }
}

/// A worker's memory: what a block of points sees (see snn_sights).
private struct Sights<T: Element> {
    let taps: Int
    private let memory: UnsafeMutablePointer<T>
    var coordinates: UnsafeMutablePointer<T> { memory }
    var axes: UnsafeMutablePointer<T> { memory + 3 * block }
    var places: UnsafeMutablePointer<T> { memory + 39 * block }
    var weights: UnsafeMutablePointer<T> { places + taps * block }
    /// Sums or whatever else has a number for each tap of each point.
    var sums: UnsafeMutablePointer<T> { weights + taps * block }
    /// Coordinate after coordinate.
    var slopes: UnsafeMutablePointer<T> { sums + taps * block }

    static func room(_ taps: Int) -> Int { (39 + 6 * taps) * block }

    init(_ taps: Int, _ memory: UnsafeMutablePointer<T>) { (self.taps, self.memory) = (taps, memory) }

    /// Points first ..< first + n of a sample; strides: of the image.
    func look(_ s: Sampling<T>, sample: Int, _ first: Int, _ n: Int, strides: Shape, slopes wanted: Bool) {
        let dims = s.dims, grid = s.grid, width = grid.shape[dims], height = grid.shape[dims - 1]
        var j = 0
        while j < n {
            let row = (first + j) / width, column = (first + j) % width, count = min(width - column, n - j)
            var from = grid.data + (sample * grid.strides[0] + row % height * grid.strides[dims - 1] + column * grid.strides[dims])
            if dims == 3 { from += row / height * grid.strides[1] }
            let step = grid.strides[dims], next = grid.strides[dims + 1]
            for d in 0..<dims { T.kernels.pointee.copy(from + d * next, Int64(step), coordinates + (d * block + j), Int64(count)) }
            j += count
        }
        let whole = min(roundUp(n, lanes(T.self)), block)
        for d in 0..<dims {
            for j in n..<whole { coordinates[d * block + j] = 0 }
        }
        var call = snn_sights()
        call.coordinates = UnsafeRawPointer(coordinates)
        (call.dims, call.n) = (Int64(dims), Int64(whole))
        (call.mode, call.padding, call.align_corners) = (s.mode, s.padding, s.alignCorners ? 1 : 0)
        call.size = (Int64(s.x.shape[dims + 1]), Int64(s.x.shape[dims]), dims == 3 ? Int64(s.x.shape[2]) : 1)
        call.step = (Int64(strides[dims + 1]), Int64(strides[dims]), dims == 3 ? Int64(strides[2]) : 0)
        (call.places, call.weights) = (UnsafeMutableRawPointer(places), UnsafeMutableRawPointer(weights))
        call.slopes = wanted ? UnsafeMutableRawPointer(slopes) : nil
        call.axes = UnsafeMutableRawPointer(axes)
        T.kernels.pointee.look(&call)
    }
    /// For sample, correlate and scatter.
    func call(_ weights: UnsafePointer<T>, _ n: Int, _ from: UnsafePointer<T>, _ to: UnsafeMutablePointer<T>) -> snn_sight_sums {
        snn_sight_sums(places: places, weights: weights, taps: Int64(taps), n: Int64(n), from: from, to: to)
    }
}

private func gridSampleForward<T: Element>(_ a: snn_grid_sample_forward_args, _: T.Type) throws(Failure) {
    let name: StaticString = "grid_sample"
    let s = try Sampling(
        try view(a.x, "input", name, T.self), try view(a.grid, "grid", name, T.self), a.mode, a.padding_mode,
        alignCorners: a.align_corners != 0, name)
    defer { s.release() }
    guard try output(a.y, T.dtype, s.result), s.result.size > 0 else { return }
    let y = a.y.pointee.data(T.self)
    let threads = s.threads(1), room = Sights<T>.room(s.taps)
    let memory = try Scratch<T>(room * threads)
    defer { memory.release() }
    ThreadPool.run(s.samples * s.blocks, threads: threads) { task, worker in
        let sights = Sights(s.taps, memory.base + worker * room)
        let sample = task / s.blocks, first = task % s.blocks * block, n = min(block, s.points - first)
        sights.look(s, sample: sample, first, n, strides: s.x.strides, slopes: false)
        for c in 0..<s.channels {
            let image = s.x.data + (sample * s.x.strides[0] + c * s.x.strides[1])
            var call = sights.call(sights.weights, n, image, y + ((sample * s.channels + c) * s.points + first))
            T.kernels.pointee.sample(&call)
        }
    }
}

private func gridSampleBackward<T: Element>(_ a: snn_grid_sample_backward_args, _: T.Type) throws(Failure) {
    let name: StaticString = "grid_sample_backward"
    let dy = try view(a.dy, "dy", name, T.self)
    let x = try view(a.x, "input", name, T.self), grid = try view(a.grid, "grid", name, T.self)
    let s = try Sampling(x, grid, a.mode, a.padding_mode, alignCorners: a.align_corners != 0, name)
    defer { s.release() }
    try require(dy, s.result, "dy", name)
    let hasX = try outputIfWanted(a.dx, T.dtype, x.shape), hasGrid = try outputIfWanted(a.dgrid, T.dtype, grid.shape)
    guard hasX && hasGrid else { return }
    let gradient = try Contiguous(dy)
    defer { gradient.release() }
    let threads = s.threads(2), room = Sights<T>.room(s.taps)
    let memory = try Scratch<T>(room * threads)
    defer { memory.release() }
    if let dx = a.dx?.pointee.data(T.self) {
        memset(dx, 0, x.size * MemoryLayout<T>.stride)
        let strides = ArrayView(data: UnsafePointer(dx), shape: x.shape).strides
        // Channels for which what a point sees is found once.
        let group = max(1, min(16, s.samples * s.channels / (2 * threads))), groups = ceilDivide(s.channels, group)
        ThreadPool.run(s.result.size == 0 ? 0 : s.samples * groups, threads: threads) { task, worker in
            let sights = Sights(s.taps, memory.base + worker * room)
            let sample = task / groups, from = task % groups * group
            for first in stride(from: 0, to: s.points, by: block) {
                let n = min(block, s.points - first)
                sights.look(s, sample: sample, first, n, strides: strides, slopes: false)
                for c in from..<min(s.channels, from + group) {
                    let image = sample * s.channels + c
                    var call = sights.call(sights.weights, n, gradient.data + (image * s.points + first), dx + image * s.plane)
                    T.kernels.pointee.scatter(&call)
                }
            }
        }
    }
    guard let dgrid = a.dgrid?.pointee.data(T.self) else { return }
    guard s.mode != Int64(SNN_NEAREST) && s.result.size > 0 else {
        memset(dgrid, 0, grid.size * MemoryLayout<T>.stride)
        return
    }
    ThreadPool.run(s.samples * s.blocks, threads: threads) { task, worker in
        let sights = Sights(s.taps, memory.base + worker * room)
        let sample = task / s.blocks, first = task % s.blocks * block, n = min(block, s.points - first)
        sights.look(s, sample: sample, first, n, strides: s.x.strides, slopes: true)
        // How the result's gradient goes with each pixel; the slopes are the same for all channels.
        memset(sights.sums, 0, s.taps * block * MemoryLayout<T>.stride)
        for c in 0..<s.channels {
            let image = s.x.data + (sample * s.x.strides[0] + c * s.x.strides[1])
            let g = gradient.data + ((sample * s.channels + c) * s.points + first)
            var call = sights.call(g, n, image, sights.sums)
            T.kernels.pointee.correlate(&call)
        }
        for d in 0..<s.dims {
            let slopes = sights.slopes + d * s.taps * block
            for j in 0..<n {
                var total = T(0)
                for t in 0..<s.taps where slopes[t * block + j] != 0 { total += slopes[t * block + j] * sights.sums[t * block + j] }
                dgrid[(sample * s.points + first + j) * s.dims + d] = total
            }
        }
    }
}

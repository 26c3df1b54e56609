// Optimizer steps: all parameters in one call, written in place. A chunk of a parameter is computed by one kernel call; chunks are spread
// over threads.
import CSwiftNN

/// Numbers of a chunk.
private var chunkSize: Int { 8192 }

/// One list of arrays that belongs to the parameters.
private struct StateList {
    let arrays: UnsafePointer<snn_array>?
    let count: Int64
    let name: StaticString
}

/// State k of 0, 1, 2. An array of them would put its class into the library's exports.
private func state(_ k: Int, _ states: (StateList, StateList, StateList)) -> StateList {
    k == 0 ? states.0 : k == 1 ? states.1 : states.2
}

/// The entries of the lists that belong together, and how a step is cut into chunks.
private struct Step<T: Element> {
    let params: UnsafePointer<snn_array>
    let grads: UnsafePointer<snn_array>
    let states: (StateList, StateList, StateList)
    let count: Int
    /// Where each parameter's chunks begin among all; one more entry for the end.
    let firstChunk: Scratch<Int>
    let elements: Int

    /// Checks everything before anything is written. A state that the options do not use has an empty list.
    init(
        _ params: StateList, _ grads: StateList, _ states: (StateList, StateList, StateList), _ operation: StaticString
    ) throws(Failure) {
        count = Int(params.count)
        guard grads.count == params.count else { throw otherCount(grads, params.count, operation) }
        for k in 0..<3 where state(k, states).count != 0 && state(k, states).count != params.count {
            throw otherCount(state(k, states), params.count, operation)
        }
        firstChunk = try Scratch<Int>(count + 1)
        var chunks = 0, elements = 0
        do throws(Failure) {
            for i in 0..<count {
                firstChunk.base[i] = chunks
                let grad = grads.arrays.unsafelyUnwrapped + i
                if grad.pointee.ndim < 0 { continue }
                let shape = try listEntry(params, i, operation, T.self).shape
                for k in 0..<4 {
                    let list = k == 3 ? grads : state(k, states)
                    if list.count == 0 { continue }
                    let other = try listEntry(list, i, operation, T.self).shape
                    guard other == shape else {
                        throw Message(operation).text(": ").text(list.name).text("[").number(i).text("] has shape ").shape(other)
                            .text("; expected ").shape(shape).text(", the shape of the parameter").shapeError
                    }
                }
                chunks += ceilDivide(shape.size, chunkSize)
                elements += shape.size
            }
        } catch {
            firstChunk.release()
            throw error
        }
        firstChunk.base[count] = chunks
        self.elements = elements
        self.params = params.arrays ?? UnsafePointer(bitPattern: 64).unsafelyUnwrapped
        self.grads = grads.arrays ?? UnsafePointer(bitPattern: 64).unsafelyUnwrapped
        self.states = states
    }

    /// Runs the kernel on every chunk. `options` holds all but memory and n.
    func run(_ options: snn_optimizer_step) throws(Failure) {
        defer { firstChunk.release() }
        let chunks = firstChunk.base[count]
        let threads = ThreadPool.threads(forWork: elements * 4)
        // Lines for arrays that are not contiguous.
        let lines = try Scratch<T>(5 * chunkSize * threads)
        defer { lines.release() }
        ThreadPool.run(chunks, threads: threads) { chunk, worker in
            var low = 0, high = count
            while high - low > 1 {
                let middle = (low + high) / 2
                if firstChunk.base[middle] <= chunk { low = middle } else { high = middle }
            }
            let param = Piece<T>(params + low, chunk - firstChunk.base[low], lines.base + worker * 5 * chunkSize)
            let grad = Piece<T>(grads + low, chunk - firstChunk.base[low], lines.base + (worker * 5 + 1) * chunkSize)
            var o = options
            o.n = Int64(param.n)
            o.param = UnsafeMutableRawPointer(param.data)
            o.grad = UnsafeRawPointer(grad.data)
            func state(_ list: StateList, _ i: Int) -> Piece<T>? {
                if list.count == 0 { return nil }
                return Piece<T>(
                    list.arrays.unsafelyUnwrapped + low, chunk - firstChunk.base[low], lines.base + (worker * 5 + 2 + i) * chunkSize)
            }
            let first = state(states.0, 0), second = state(states.1, 1), third = state(states.2, 2)
            o.states.0 = first.map { UnsafeMutableRawPointer($0.data) }
            o.states.1 = second.map { UnsafeMutableRawPointer($0.data) }
            o.states.2 = third.map { UnsafeMutableRawPointer($0.data) }
            if first != nil { o.flags |= Int64(SNN_STATE_1) }
            if second != nil { o.flags |= Int64(SNN_STATE_2) }
            if third != nil { o.flags |= Int64(SNN_STATE_3) }
            T.kernels.pointee.optimizer_step(&o)
            param.write()
            first?.write()
            second?.write()
            third?.write()
        }
    }
}

/// Array i of a list.
private func listEntry<T: Element>(
    _ list: StateList, _ i: Int, _ operation: StaticString, _: T.Type
) throws(Failure) -> ArrayView<T> {
    let array = list.arrays.unsafelyUnwrapped + i
    guard array.pointee.ndim >= 0 && array.pointee.ndim <= Int32(SNN_MAX_DIMS), array.pointee.dtype == T.dtype else {
        let message = Message(operation).text(": ").text(list.name).text("[").number(i).text("] ")
        if array.pointee.ndim < 0 { throw message.text("is absent; expected an array").valueError }
        throw message.text("is ").dtype(array.pointee.dtype).text("; expected ").dtype(T.dtype).text(" of up to 8 dimensions").typeError
    }
    try requireShape(array, list.name, operation)
    return ArrayView<T>(array)
}

private func otherCount(_ list: StateList, _ count: Int64, _ operation: StaticString) -> Failure {
    Message(operation).text(": ").text(list.name).text(" has ").number(Int(list.count)).text(" arrays; expected ").number(Int(count))
        .text(", one for each parameter").valueError
}

/// A chunk of an array as contiguous numbers: where they lie, or gathered into a line.
private struct Piece<T: Element> {
    let data: UnsafeMutablePointer<T>
    let n: Int
    private let view: ArrayView<T>
    private let start: Int
    private let isContiguous: Bool

    init(_ array: UnsafePointer<snn_array>, _ chunk: Int, _ line: UnsafeMutablePointer<T>) {
        view = ArrayView<T>(array)
        start = chunk * chunkSize
        n = min(chunkSize, view.size - start)
        isContiguous = view.isContiguous
        if isContiguous {
            data = UnsafeMutablePointer(mutating: view.data) + start
        } else {
            data = line
            for i in 0..<n { line[i] = view.data[view.offset(start + i, dims: view.count)] }
        }
    }
    /// Puts numbers back that were gathered.
    func write() {
        if isContiguous { return }
        let memory = UnsafeMutablePointer(mutating: view.data)
        for i in 0..<n { memory[view.offset(start + i, dims: view.count)] = data[i] }
    }
}

/// The float type of the first array that is there; float32 where there is none.
private func listType(_ list: StateList, _ operation: StaticString) throws(Failure) -> Int32 {
    for i in 0..<Int(list.count) {
        let array = list.arrays.unsafelyUnwrapped + i
        if array.pointee.ndim >= 0 { return try floatType(array, operation) }
    }
    return Int32(SNN_FLOAT32)
}

private func runStep(
    _ params: StateList, _ grads: StateList, _ states: (StateList, StateList, StateList), _ options: snn_optimizer_step,
    _ operation: StaticString
) throws(Failure) {
    if try listType(params, operation) == Int32(SNN_FLOAT32) {
        try Step<Float>(params, grads, states, operation).run(options)
    } else {
        try Step<Double>(params, grads, states, operation).run(options)
    }
}

private var none: StateList { StateList(arrays: nil, count: 0, name: "") }

/// Throws unless the options' states are there, and only these.
private func requireStates(_ list: StateList, _ wanted: Bool, _ params: Int64, _ operation: StaticString) throws(Failure) {
    if list.count != (wanted ? params : 0) { throw otherCount(list, wanted ? params : 0, operation) }
}

private func flags(_ weightDecay: Double, _ maximize: Int64) -> Int64 {
    (weightDecay != 0 ? Int64(SNN_DECAY) : 0) | (maximize != 0 ? Int64(SNN_MAXIMIZE) : 0)
}

/// g = grad + weight_decay p; buffer = momentum buffer + (1 - dampening) g, the first time g; p -= lr (g + momentum buffer with Nesterov,
/// else buffer). Threads: chunks.
@_cdecl("snn_sgd_step") @implementation
public func snn_sgd_step(_ args: UnsafePointer<snn_sgd_step_args>!) -> snn_status {
    operation { () throws(Failure) in
        let a = args.pointee
        let buffers = StateList(arrays: a.momentum_buffers, count: a.momentum_buffers_count, name: "momentum_buffers")
        try requireStates(buffers, a.momentum != 0, a.params_count, "sgd_step")
        var options = snn_optimizer_step()
        options.kind = Int64(SNN_SGD)
        options.flags = flags(a.weight_decay, a.maximize)
        if a.nesterov != 0 { options.flags |= Int64(SNN_NESTEROV) }
        if a.first != 0 { options.flags |= Int64(SNN_FIRST) }
        (options.lr, options.decay, options.a, options.b) = (a.lr, a.weight_decay, a.momentum, a.dampening)
        try runStep(
            StateList(arrays: a.params, count: a.params_count, name: "params"),
            StateList(arrays: a.grads, count: a.grads_count, name: "grads"), (buffers, none, none), options, "sgd_step")
    }
}

private func requireStep(_ step: Int64, _ operation: StaticString) throws(Failure) {
    guard step >= 1 else { throw Message(operation).text(": step is ").number(Int(step)).text("; it counts from 1").valueError }
}

/// base^n for n >= 1.
private func power(_ base: Double, _ n: Int64) -> Double {
    var result = 1.0, square = base
    var rest = n
    while rest > 0 {
        if rest & 1 != 0 { result *= square }
        square *= square
        rest >>= 1
    }
    return result
}

/// m += (1 - β1) (g - m); v = β2 v + (1 - β2) g²; p -= lr / (1 - β1^t) m / (√v / √(1 - β2^t) + ε), v its largest so far with AMSGrad.
/// Weight decay is a part of g, or decoupled: p *= 1 - lr weight_decay. Threads: chunks.
@_cdecl("snn_adam_step") @implementation
public func snn_adam_step(_ args: UnsafePointer<snn_adam_step_args>!) -> snn_status {
    operation { () throws(Failure) in
        let a = args.pointee
        let means = StateList(arrays: a.exp_avgs, count: a.exp_avgs_count, name: "exp_avgs")
        let squares = StateList(arrays: a.exp_avg_sqs, count: a.exp_avg_sqs_count, name: "exp_avg_sqs")
        try requireStates(means, true, a.params_count, "adam_step")
        try requireStates(squares, true, a.params_count, "adam_step")
        try requireStep(a.step, "adam_step")
        var options = snn_optimizer_step()
        options.kind = Int64(SNN_ADAM)
        options.flags = flags(a.decoupled != 0 ? 0 : a.weight_decay, a.maximize)
        if a.decoupled != 0 && a.weight_decay != 0 { options.flags |= Int64(SNN_DECOUPLED) }
        (options.decay, options.shrink, options.a, options.b) = (a.weight_decay, 1 - a.lr * a.weight_decay, a.beta1, a.beta2)
        options.lr = a.lr / (1 - power(a.beta1, a.step))
        options.correction = (1 - power(a.beta2, a.step)).squareRoot()
        options.eps = a.eps
        try runStep(
            StateList(arrays: a.params, count: a.params_count, name: "params"),
            StateList(arrays: a.grads, count: a.grads_count, name: "grads"),
            (means, squares, StateList(arrays: a.max_exp_avg_sqs, count: a.max_exp_avg_sqs_count, name: "max_exp_avg_sqs")), options,
            "adam_step")
    }
}

/// s = α s + (1 - α) g²; p -= lr g / (√s + ε), centered with s less the square of the mean of g, or through a momentum buffer.
/// Threads: chunks.
@_cdecl("snn_rmsprop_step") @implementation
public func snn_rmsprop_step(_ args: UnsafePointer<snn_rmsprop_step_args>!) -> snn_status {
    operation { () throws(Failure) in
        let a = args.pointee
        let squares = StateList(arrays: a.square_avgs, count: a.square_avgs_count, name: "square_avgs")
        let buffers = StateList(arrays: a.momentum_buffers, count: a.momentum_buffers_count, name: "momentum_buffers")
        try requireStates(squares, true, a.params_count, "rmsprop_step")
        try requireStates(buffers, a.momentum != 0, a.params_count, "rmsprop_step")
        var options = snn_optimizer_step()
        options.kind = Int64(SNN_RMSPROP)
        options.flags = flags(a.weight_decay, a.maximize)
        (options.lr, options.decay, options.a, options.b, options.eps) = (a.lr, a.weight_decay, a.momentum, a.alpha, a.eps)
        try runStep(
            StateList(arrays: a.params, count: a.params_count, name: "params"),
            StateList(arrays: a.grads, count: a.grads_count, name: "grads"),
            (squares, buffers, StateList(arrays: a.grad_avgs, count: a.grad_avgs_count, name: "grad_avgs")), options, "rmsprop_step")
    }
}

/// s += g²; p -= lr / (1 + (t - 1) lr_decay) g / (√s + ε). Threads: chunks.
@_cdecl("snn_adagrad_step") @implementation
public func snn_adagrad_step(_ args: UnsafePointer<snn_adagrad_step_args>!) -> snn_status {
    operation { () throws(Failure) in
        let a = args.pointee
        let sums = StateList(arrays: a.state_sums, count: a.state_sums_count, name: "state_sums")
        try requireStates(sums, true, a.params_count, "adagrad_step")
        try requireStep(a.step, "adagrad_step")
        var options = snn_optimizer_step()
        options.kind = Int64(SNN_ADAGRAD)
        options.flags = flags(a.weight_decay, a.maximize)
        (options.lr, options.decay, options.eps) = (a.lr / (1 + Double(a.step - 1) * a.lr_decay), a.weight_decay, a.eps)
        try runStep(
            StateList(arrays: a.params, count: a.params_count, name: "params"),
            StateList(arrays: a.grads, count: a.grads_count, name: "grads"), (sums, none, none), options, "adagrad_step")
    }
}

/// (Σ |g|^p)^(1/p) over all numbers of all arrays, or the largest |g|: chunk by chunk, the chunks in order. Threads: chunks.
@_cdecl("snn_grad_norm") @implementation
public func snn_grad_norm(_ args: UnsafePointer<snn_grad_norm_args>!) -> snn_status {
    operation { () throws(Failure) in
        let grads = StateList(arrays: args.pointee.grads, count: args.pointee.grads_count, name: "grads")
        if try listType(grads, "grad_norm") == Int32(SNN_FLOAT32) {
            try gradNorm(args.pointee, grads, Float.self)
        } else {
            try gradNorm(args.pointee, grads, Double.self)
        }
    }
}

private func gradNorm<T: Element>(_ a: snn_grad_norm_args, _ grads: StateList, _: T.Type) throws(Failure) {
    guard a.p == 1 || a.p == 2 || a.p == .infinity else {
        throw Message("grad_norm: p is ").number(a.p).text("; expected 1, 2 or infinity").valueError
    }
    var total = 0.0
    for i in 0..<Int(grads.count) where grads.arrays.unsafelyUnwrapped[i].ndim >= 0 { _ = try listEntry(grads, i, "grad_norm", T.self) }
    guard try output(a.y, T.dtype, Shape()) else { return }
    for i in 0..<Int(grads.count) {
        let array = grads.arrays.unsafelyUnwrapped + i
        if array.pointee.ndim < 0 { continue }
        let size = ArrayView<T>(array).size
        let chunks = ceilDivide(size, chunkSize), threads = ThreadPool.threads(forWork: size)
        let scratch = try Scratch<T>(chunkSize * threads)
        defer { scratch.release() }
        let sums = try Scratch<Double>(chunks)
        defer { sums.release() }
        ThreadPool.run(chunks, threads: threads) { chunk, worker in
            let piece = Piece<T>(array, chunk, scratch.base + worker * chunkSize)
            sums.base[chunk] =
                a.p == 2
                ? T.kernels.pointee.dot(piece.data, piece.data, Int64(piece.n))
                : T.kernels.pointee.absolutes(piece.data, Int64(piece.n), a.p == 1 ? 0 : 1)
        }
        for chunk in 0..<chunks {
            let value = sums.base[chunk]
            if a.p == .infinity {
                if value > total || value != value { total = value }
            } else {
                total += value
            }
        }
    }
    a.y.pointee.data(T.self)[0] = T(a.p == 2 ? total.squareRoot() : total)
}

/// arrays *= factor, in place. Threads: chunks.
@_cdecl("snn_scale") @implementation
public func snn_scale(_ args: UnsafePointer<snn_scale_args>!) -> snn_status {
    operation { () throws(Failure) in
        let arrays = StateList(arrays: args.pointee.arrays, count: args.pointee.arrays_count, name: "arrays")
        if try listType(arrays, "scale") == Int32(SNN_FLOAT32) {
            try scaleArrays(arrays, args.pointee.factor, Float.self)
        } else {
            try scaleArrays(arrays, args.pointee.factor, Double.self)
        }
    }
}

private func scaleArrays<T: Element>(_ arrays: StateList, _ factor: Double, _: T.Type) throws(Failure) {
    for i in 0..<Int(arrays.count) where arrays.arrays.unsafelyUnwrapped[i].ndim >= 0 { _ = try listEntry(arrays, i, "scale", T.self) }
    let most = ThreadPool.limit
    let scratch = try Scratch<T>(chunkSize * most)
    defer { scratch.release() }
    for i in 0..<Int(arrays.count) {
        let array = arrays.arrays.unsafelyUnwrapped + i
        if array.pointee.ndim < 0 { continue }
        let size = ArrayView<T>(array).size
        ThreadPool.run(ceilDivide(size, chunkSize), threads: min(most, ThreadPool.threads(forWork: size))) { chunk, worker in
            let piece = Piece<T>(array, chunk, scratch.base + worker * chunkSize)
            T.kernels.pointee.scale(piece.data, factor, Int64(piece.n))
            piece.write()
        }
    }
}

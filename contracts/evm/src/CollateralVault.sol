// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuard} from "@openzeppelin/contracts/utils/ReentrancyGuard.sol";

import {ICollateralVault} from "./interfaces/ICollateralVault.sol";
import {Message, MessageId, MessageKind, MessageLib} from "./MessageLib.sol";
import {MessageReceiver} from "./MessageReceiver.sol";
import {OutflowWindow} from "./OutflowWindow.sol";

/// @title Collateral of margin accounts on one chain
contract CollateralVault is MessageReceiver, ReentrancyGuard, ICollateralVault {
    using OutflowWindow for OutflowWindow.State;
    using SafeERC20 for IERC20;

    /* STORAGE */

    uint256 private constant PAUSE_OUTFLOW = 1;
    uint256 private constant PAUSE_LOCKS = 2;
    uint256 private constant PAUSE_FLAGS_MAX = PAUSE_OUTFLOW | PAUSE_LOCKS;

    bytes32 private constant ACCOUNT_DOMAIN = keccak256("relayer.account.v1");
    bytes32 private constant KEY_OUTFLOW_CAPACITY = "outflow.capacity";
    bytes32 private constant KEY_OUTFLOW_WINDOW = "outflow.window";
    bytes32 private constant KEY_EXIT_DELAY = "exit.delay";
    uint256 private constant WINDOW_SECONDS_MIN = 1;
    uint256 private constant WINDOW_SECONDS_MAX = 30 days;
    uint256 private constant EXIT_DELAY_SECONDS_MIN = 1;
    // Bounded, so that no quorum can take the owners' way out from them.
    uint256 private constant EXIT_DELAY_SECONDS_MAX = 90 days;

    uint64 private immutable _listingWindowSeconds; // window a token starts with

    /// @inheritdoc ICollateralVault
    uint64 public lockCount;
    /// @inheritdoc ICollateralVault
    uint64 public exitDelay;
    /// @inheritdoc ICollateralVault
    mapping(address token => uint256) public held; // [token base units]
    /// @inheritdoc ICollateralVault
    mapping(bytes32 account => mapping(address token => uint256)) public collateralOf;
    mapping(address token => OutflowWindow.State) private _outflow;
    mapping(address token => uint256) private _pauseFlags; // address zero: every token
    mapping(bytes32 subject => uint256) private _nonceMin; // of pause and parameter messages

    /* CONSTRUCTOR */

    /// @param hubKey_ Key of the hub, keccak256("hub:<deployment>").
    /// @param members Guardians of set 0, strictly ascending.
    /// @param threshold Signatures a message needs, a majority of the members.
    /// @param overlapSeconds_ How long a replaced set stays valid.
    /// @param exitDelaySeconds Silence after which owners may exit.
    /// @param tokens Tokens accepted from the start.
    /// @param capacities Most that may leave of each token in a window. [token base units]
    /// @param windowSeconds Window of the outflow limits.
    constructor(
        bytes32 hubKey_,
        address[] memory members,
        uint8 threshold,
        uint64 overlapSeconds_,
        uint64 exitDelaySeconds,
        address[] memory tokens,
        uint256[] memory capacities,
        uint64 windowSeconds
    ) MessageReceiver(hubKey_, members, threshold, overlapSeconds_) {
        require(
            tokens.length == capacities.length,
            CollateralVaultListLengths(tokens.length, capacities.length)
        );
        _setExitDelay(MessageId.wrap(0), exitDelaySeconds);
        _requireWindow(windowSeconds);
        _listingWindowSeconds = windowSeconds;
        for (uint256 position = 0; position < tokens.length; position++) {
            address token = tokens[position];
            require(_outflow[token].windowSeconds == 0, CollateralVaultTokenTwice(token));
            _setOutflowCapacity(MessageId.wrap(0), token, capacities[position]);
        }
    }

    /* EXTERNAL */

    /// @inheritdoc ICollateralVault
    function lock(
        bytes32 account,
        address token,
        uint256 amount
    ) external nonReentrant returns (uint64 lockId) {
        require(account != 0, CollateralVaultAccountZero());
        require(_outflow[token].capacity != 0, CollateralVaultTokenNotListed(token));
        _requireNotPaused(token, PAUSE_LOCKS);

        // The amount is known only after the transfer; the guard keeps every other entry shut
        // meanwhile.
        uint256 balanceBefore = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = IERC20(token).balanceOf(address(this)) - balanceBefore;
        require(received != 0, CollateralVaultAmountZero(account, token));

        lockId = ++lockCount;
        uint256 heldAfter = held[token] + received;
        held[token] = heldAfter;
        collateralOf[account][token] += received;
        emit CollateralLocked(lockId, account, token, msg.sender, received, heldAfter);
    }

    /// @inheritdoc ICollateralVault
    function execute(
        bytes calldata message,
        uint32 guardianSetIndex,
        bytes[] calldata signatures
    ) external nonReentrant {
        (Message memory decoded, MessageId messageId) =
            _accept(message, guardianSetIndex, signatures);
        if (decoded.kind == MessageKind.RELEASE || decoded.kind == MessageKind.SEIZE) {
            _pay(decoded, messageId);
        } else if (decoded.kind == MessageKind.PAUSE) {
            _requireCurrentSet(guardianSetIndex);
            _pause(decoded, messageId);
        } else if (decoded.kind == MessageKind.PARAMETER) {
            _requireCurrentSet(guardianSetIndex);
            _setParameter(decoded, messageId);
        } else {
            revert MessageReceiverWrongKind(decoded.kind);
        }
    }

    /// @inheritdoc ICollateralVault
    function exit(
        bytes32 salt,
        address token,
        address recipient
    ) external nonReentrant {
        uint256 allowedAfter = uint256(lastAttestedAt) + exitDelay;
        require(
            block.timestamp > allowedAfter,
            CollateralVaultExitTooEarly(block.timestamp, allowedAfter)
        );
        _requireRecipient(recipient);
        bytes32 account = accountOf(msg.sender, salt);
        uint256 amount = collateralOf[account][token];
        require(amount != 0, CollateralVaultAmountZero(account, token));

        uint256 heldAfter = held[token] - amount;
        collateralOf[account][token] = 0;
        held[token] = heldAfter;
        emit CollateralExited(account, token, msg.sender, recipient, amount, heldAfter);
        _send(token, recipient, amount);
    }

    /* INTERNAL */

    /// @dev Release or seize.
    function _pay(
        Message memory decoded,
        MessageId messageId
    ) private {
        address token = MessageLib.toAddress(decoded.token);
        address recipient = MessageLib.toAddress(decoded.recipient);
        uint256 amount = decoded.amount;
        bytes32 account = decoded.account;
        _requireRecipient(recipient);
        require(amount != 0, CollateralVaultAmountZero(account, token));
        _requireNotPaused(token, PAUSE_OUTFLOW);
        uint256 owned = collateralOf[account][token];
        require(amount <= owned, CollateralVaultInsufficient(account, token, amount, owned));
        _consumeOutflow(token, amount);

        uint256 heldAfter = held[token] - amount;
        collateralOf[account][token] = owned - amount;
        held[token] = heldAfter;
        if (decoded.kind == MessageKind.RELEASE) {
            emit CollateralReleased(messageId, account, token, recipient, amount, heldAfter);
        } else {
            emit CollateralSeized(messageId, account, token, recipient, amount, heldAfter);
        }

        _send(token, recipient, amount);
    }

    /// @dev Pay out, and refuse a token that takes more from the vault than was paid: the surplus
    /// would be the other owners'.
    function _send(
        address token,
        address recipient,
        uint256 amount
    ) private {
        uint256 balanceExpected = IERC20(token).balanceOf(address(this)) - amount;
        IERC20(token).safeTransfer(recipient, amount);
        uint256 balance = IERC20(token).balanceOf(address(this));
        require(
            balance >= balanceExpected, CollateralVaultOverpaid(token, balanceExpected, balance)
        );
    }

    /// @dev Check and count an outflow.
    function _consumeOutflow(
        address token,
        uint256 amount
    ) private {
        OutflowWindow.State storage outflow = _outflow[token];
        uint256 capacity = outflow.capacity;
        require(capacity != 0, CollateralVaultTokenNotListed(token));
        require(amount <= capacity, CollateralVaultOutflowAboveCapacity(token, amount, capacity));
        uint256 available = outflow.available(block.timestamp);
        if (amount > available) {
            revert CollateralVaultOutflowLimited(
                token, amount, available, outflow.waitSeconds(amount, block.timestamp)
            );
        }
        outflow.consume(amount, block.timestamp);
    }

    /// @dev Set the pause flags of one token, or of all where the token is zero.
    function _pause(
        Message memory decoded,
        MessageId messageId
    ) private {
        address token = MessageLib.toAddress(decoded.token);
        uint256 flags = decoded.amount;
        _requireZero(decoded.account);
        _requireZero(decoded.recipient);
        require(flags <= PAUSE_FLAGS_MAX, CollateralVaultPauseFlagsInvalid(flags));
        _requireNewest(decoded);
        _pauseFlags[token] = flags;
        emit PauseChanged(messageId, token, flags);
    }

    /// @dev Set one parameter; the recipient field holds its key.
    function _setParameter(
        Message memory decoded,
        MessageId messageId
    ) private {
        _requireZero(decoded.account);
        _requireNewest(decoded);
        address token = MessageLib.toAddress(decoded.token);
        bytes32 key = decoded.recipient;
        if (key == KEY_OUTFLOW_CAPACITY) {
            _setOutflowCapacity(messageId, token, decoded.amount);
        } else if (key == KEY_OUTFLOW_WINDOW) {
            _setOutflowWindow(messageId, token, decoded.amount);
        } else if (key == KEY_EXIT_DELAY) {
            _requireZero(decoded.token);
            _setExitDelay(messageId, decoded.amount);
        } else {
            revert CollateralVaultParameterUnknown(key);
        }
    }

    /// @dev List a token, change its capacity, or with zero delist it.
    function _setOutflowCapacity(
        MessageId messageId,
        address token,
        uint256 capacity
    ) private {
        require(token != address(0), CollateralVaultTokenNotListed(token));
        OutflowWindow.State storage outflow = _outflow[token];
        if (outflow.windowSeconds == 0) {
            outflow.setWindow(_listingWindowSeconds, block.timestamp);
            emit OutflowWindowChanged(messageId, token, _listingWindowSeconds);
        }
        outflow.capacity = capacity;
        emit OutflowCapacityChanged(messageId, token, capacity);
    }

    /// @dev Change the window of a listed token.
    function _setOutflowWindow(
        MessageId messageId,
        address token,
        uint256 windowSeconds
    ) private {
        require(_outflow[token].windowSeconds != 0, CollateralVaultTokenNotListed(token));
        _requireWindow(windowSeconds);
        _outflow[token].setWindow(uint64(windowSeconds), block.timestamp);
        emit OutflowWindowChanged(messageId, token, uint64(windowSeconds));
    }

    /// @dev Change the exit delay.
    function _setExitDelay(
        MessageId messageId,
        uint256 seconds_
    ) private {
        require(
            seconds_ >= EXIT_DELAY_SECONDS_MIN && seconds_ <= EXIT_DELAY_SECONDS_MAX,
            CollateralVaultParameterOutOfRange(
                KEY_EXIT_DELAY, seconds_, EXIT_DELAY_SECONDS_MIN, EXIT_DELAY_SECONDS_MAX
            )
        );
        exitDelay = uint64(seconds_);
        emit ExitDelayChanged(messageId, uint64(seconds_));
    }

    /// @dev Refuse a pause or parameter message older than one already executed on its subject: a
    /// signed "resume" that was held back must not undo a later pause.
    function _requireNewest(
        Message memory decoded
    ) private {
        bytes32 subject = keccak256(abi.encode(decoded.kind, decoded.token, decoded.recipient));
        uint256 nonceMin = _nonceMin[subject];
        require(
            decoded.nonce >= nonceMin,
            CollateralVaultNonceOutdated(decoded.kind, decoded.nonce, nonceMin)
        );
        _nonceMin[subject] = uint256(decoded.nonce) + 1;
    }

    /// @dev Refuse a token whose direction is paused, by itself or with all others.
    function _requireNotPaused(
        address token,
        uint256 flag
    ) private view {
        uint256 flags = pauseFlags(token);
        require(flags & flag == 0, CollateralVaultPaused(token, flags));
    }

    /// @dev Refuse recipients that would lose the payment.
    function _requireRecipient(
        address recipient
    ) private view {
        require(
            recipient != address(0) && recipient != address(this),
            CollateralVaultRecipientInvalid(recipient)
        );
    }

    /// @dev Refuse a window outside the bounds.
    function _requireWindow(
        uint256 windowSeconds
    ) private pure {
        require(
            windowSeconds >= WINDOW_SECONDS_MIN && windowSeconds <= WINDOW_SECONDS_MAX,
            CollateralVaultParameterOutOfRange(
                KEY_OUTFLOW_WINDOW, windowSeconds, WINDOW_SECONDS_MIN, WINDOW_SECONDS_MAX
            )
        );
    }

    /* VIEWS */

    /// @inheritdoc ICollateralVault
    function outflowAvailable(
        address token
    ) external view returns (uint256) {
        return _outflow[token].available(block.timestamp);
    }

    /// @inheritdoc ICollateralVault
    function outflowCapacity(
        address token
    ) external view returns (uint256) {
        return _outflow[token].capacity;
    }

    /// @inheritdoc ICollateralVault
    function outflowWindow(
        address token
    ) external view returns (uint64) {
        return _outflow[token].windowSeconds;
    }

    /// @inheritdoc ICollateralVault
    function outflowWaitSeconds(
        address token,
        uint256 amount
    ) external view returns (uint256) {
        if (amount > _outflow[token].capacity) {
            return type(uint256).max;
        }
        return _outflow[token].waitSeconds(amount, block.timestamp);
    }

    /// @inheritdoc ICollateralVault
    function pauseFlags(
        address token
    ) public view returns (uint256) {
        return _pauseFlags[address(0)] | _pauseFlags[token];
    }

    /// @inheritdoc ICollateralVault
    function accountOf(
        address owner,
        bytes32 salt
    ) public pure returns (bytes32) {
        return keccak256(abi.encode(ACCOUNT_DOMAIN, MessageLib.toWord(owner), salt));
    }
}
